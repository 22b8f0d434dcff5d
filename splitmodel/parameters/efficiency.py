"""What calibration determines: per-GPU efficiencies and power, and the host time of a stack.

The numbers live in `fitted.toml` beside this file, with provenance; calibration only writes them.
"""

from __future__ import annotations

import equinox as eqx

from splitmodel.units import Scalar


class GpuEfficiency(eqx.Module):
    """Fitted shares of a GPU's data sheet that its kernels reach (dimensionless unless said)."""

    gemm_compute: Scalar
    """e_c: share of the matrix rate reached by a GEMM."""
    hbm: Scalar
    """e_m: share of HBM bandwidth reached by weights and elementwise traffic."""
    attention_compute: Scalar
    """e_a: share of the matrix rate reached by prefill attention."""
    attention_hbm: Scalar
    """e_kv: share of HBM bandwidth reached when decode reads the KV cache."""
    collective_latency_s: Scalar
    """α: latency of one all-reduce step [s]."""
    collective_bandwidth: Scalar
    """e_ar: share of NVLink bandwidth reached by all-reduces."""
    collective_slowdown: Scalar
    """κ: extra inverse bandwidth of messages above `collective_step_bytes`."""
    collective_step_bytes: Scalar
    """S0: message size at which all-reduces turn slow [bytes]."""
    collective_burst_bytes: Scalar
    """S1: bytes of a slow message that still pass at full bandwidth [bytes]."""
    layer_latency_s: Scalar
    """t_k: kernel launch and synchronisation time per layer [s]."""
    gemm_norm: Scalar
    """Exponent of the p-norm that joins a GEMM's compute and HBM time."""
    prefill_misfit: Scalar
    """Measured over modelled time of a prefill iteration: 1, but uncertain."""
    decode_misfit: Scalar
    """Measured over modelled time of a decode iteration: 1, but uncertain."""


class HostTime(eqx.Module):
    """Host time of a serving stack on one machine."""

    prefill_layer_s: Scalar
    """Host time per layer of a prefill iteration [s]."""
    decode_layer_s: Scalar
    """Host time per layer of a decode iteration [s]."""
    prefill_s: Scalar
    """Fixed time of a prefill iteration [s]."""
    decode_request_s: Scalar
    """b0: host time that each decoding request adds [s]."""
    decode_crowd_s: Scalar
    """b1: what each request beyond `crowd_requests` adds to that [s]."""
    crowd_requests: Scalar
    """Decoding requests beyond which each costs more."""
    norm: Scalar
    """Exponent of the p-norm that joins an iteration's GPU and host time."""


class PowerUse(eqx.Module):
    """GPU draw as a fraction of TDP, by what is used of its compute rate and HBM bandwidth."""

    idle: Scalar
    """Draw of an idle GPU, and intercept of decode's."""
    decode_per_bandwidth_use: Scalar
    """Decode: draw per share of HBM bandwidth that reads weights."""
    decode_per_compute_use: Scalar
    """Decode: draw per share of the matrix rate."""
    prefill_base: Scalar
    """Prefill: intercept."""
    prefill_per_compute_use: Scalar
    """Prefill: draw per share of the time outside collectives that computing takes."""
    prefill_most: Scalar
    """Prefill: the most it draws."""
    decode_activity: Scalar
    """Dynamic draw of decode over that of prefill, which tells how much a cap slows it."""
    clock_exponent: Scalar
    """k of dynamic draw ∝ clockᵏ."""
