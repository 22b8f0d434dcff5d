"""What calibration determines: per-GPU efficiencies and the host time of a serving stack.

The numbers live in `*.toml` beside this file, with provenance; calibration only writes them.
"""

from __future__ import annotations

import equinox as eqx

from splitmodel.units import Scalar


class GpuEfficiency(eqx.Module):
    """Fitted shares of a GPU's data sheet that its kernels reach (dimensionless unless said)."""

    gemm_compute: Scalar
    """e_c: share of the matrix rate reached by a large GEMM."""
    gemm_half_rows: Scalar
    """m_h: rows at which a GEMM reaches half of that."""
    hbm: Scalar
    """e_m: share of HBM bandwidth reached by weights and elementwise traffic."""
    attention_compute: Scalar
    """e_a: share of the matrix rate reached by prefill attention."""
    attention_hbm: Scalar
    """e_kv: share of HBM bandwidth reached when decode reads the KV cache."""
    collective_latency_s: Scalar
    """α: latency of one all-reduce step [s]."""
    collective_bandwidth: Scalar
    """e_ar: share of NVLink bandwidth reached by small all-reduces."""
    collective_slowdown: Scalar
    """κ: extra inverse bandwidth of messages above `collective_step_bytes`."""
    collective_step_bytes: Scalar
    """S0: message size at which all-reduces turn slow [bytes]."""
    layer_latency_s: Scalar
    """t_k: kernel launch and synchronisation time per layer [s]."""
    gemm_norm: Scalar
    """Exponent of the p-norm that joins a GEMM's compute and HBM time."""


class HostTime(eqx.Module):
    """Host time of a serving stack on one machine."""

    prefill_layer_s: Scalar
    """Host time per layer of a prefill iteration [s]."""
    decode_layer_s: Scalar
    """Host time per layer of a decode iteration [s]."""
    prefill_s: Scalar
    """Fixed time of a prefill iteration [s]."""
    decode_batch_s: Scalar
    """b0: host time that one decoding request adds, as b0·B^γ [s]."""
    decode_batch_exponent: Scalar
    """γ of b0·B^γ."""
    norm: Scalar
    """Exponent of the p-norm that joins an iteration's GPU and host time."""
