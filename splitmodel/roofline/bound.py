"""The roofline: from an operation's counts to its seconds, and what bounds an iteration.

References:
    Williams et al., Roofline, CACM 52(4) 2009; Splitwise (Patel et al., ISCA 2024), section III,
    for what binds each phase. The smooth maximum is a p-norm, so that the resource that does not
    bind keeps a gradient.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.roofline.operations import Operation
from splitmodel.specs.hardware import Gpu
from splitmodel.units import Scalar


def p_norm(a: Scalar, b: Scalar, exponent: Scalar) -> Scalar:
    """(aᵖ + bᵖ)^(1/p) of positive `a`, `b`: a smooth maximum, evaluated in log space."""
    return jnp.exp(jnp.logaddexp(exponent * jnp.log(a), exponent * jnp.log(b)) / exponent)


class GpuSeconds(eqx.Module):
    """Seconds of one iteration on the GPU, and the share of each resource alone."""

    total_s: Scalar
    compute_s: Scalar
    """Time that computing alone would take [s]."""
    hbm_s: Scalar
    """Time that HBM traffic alone would take [s]."""
    collective_s: Scalar
    """Time in collectives and pipeline sends [s]."""


def gpu_seconds(
    listed: list[Operation], gpu: Gpu, tensor_parallel: Scalar, clock: Scalar
) -> GpuSeconds:
    """Time of the listed operations on one GPU [s], shapes as the operations' leaves.

    Args:
        listed: operations of one iteration.
        gpu: vendor's figures and fitted efficiencies.
        tensor_parallel: size of the all-reduce group.
        clock: share of full clock left by a power cap; slows compute, not HBM or links.
    """
    fit = gpu.efficiency
    hbm_bytes_per_s = gpu.hbm_bytes_per_s * fit.hbm
    total_s = compute_s = hbm_s = collective_s = jnp.zeros_like(listed[0].rows)
    for op in listed:
        flop_per_s = gpu.flop_per_s * clock * rate_of_type(op.element_bytes)
        if op.kind == "gemm":
            # m/(m + m_h): few rows leave part of a tile idle. A row count of zero is no work;
            # the floor keeps its logarithm, and so the gradient, finite.
            rows = jnp.maximum(op.rows, 1e-3)
            seconds = op.flop / (fit.gemm_compute * flop_per_s) * (1.0 + fit.gemm_half_rows / rows)
            moved_s = op.hbm_bytes / hbm_bytes_per_s
            joined = p_norm(jnp.maximum(seconds, 1e-12), moved_s, fit.gemm_norm)
            busy = op.rows > 0.0
            total_s += jnp.where(busy, joined, 0.0)
            compute_s += jnp.where(busy, seconds, 0.0)
            hbm_s += jnp.where(busy, moved_s, 0.0)
        elif op.kind == "prefill_attention":
            seconds = op.flop / (fit.attention_compute * flop_per_s)
            total_s, compute_s = total_s + seconds, compute_s + seconds
        elif op.kind == "decode_attention":
            seconds = op.hbm_bytes / (fit.attention_hbm * gpu.hbm_bytes_per_s)
            total_s, hbm_s = total_s + seconds, hbm_s + seconds
        elif op.kind == "elementwise":
            seconds = op.hbm_bytes / hbm_bytes_per_s
            total_s, hbm_s = total_s + seconds, hbm_s + seconds
        else:
            seconds = link_seconds(op, gpu, tensor_parallel)
            total_s, collective_s = total_s + seconds, collective_s + seconds
    return GpuSeconds(total_s, compute_s, hbm_s, collective_s)


def rate_of_type(element_bytes: Scalar) -> Scalar:
    """Matrix rate relative to 16-bit types.

    Narrower elements are taken as storage only, widened before the product; 32-bit types run on
    the same cores at half the rate (NVIDIA A100 and H100 data sheets, TF32 against FP16).
    """
    return 2.0 / jnp.maximum(element_bytes, 2.0)


def link_seconds(op: Operation, gpu: Gpu, tensor_parallel: Scalar) -> Scalar:
    """Time of NVLink messages [s]: ring all-reduces, or sends between pipeline stages.

    Large all-reduces fall to a slower algorithm above a message size that the published profile
    shows as a jump between 2048 and 4096 batched tokens.
    """
    fit = gpu.efficiency
    inverse = 1.0 / fit.collective_bandwidth
    if op.kind == "send":
        steps, share = 1.0, 1.0
    else:
        steps = jnp.log2(tensor_parallel)
        share = 2.0 * (tensor_parallel - 1.0) / tensor_parallel
        slow = jnp.where(op.message_bytes > fit.collective_step_bytes, fit.collective_slowdown, 0.0)
        inverse = inverse + slow
    payload_s = share * op.message_bytes / gpu.nvlink_bytes_per_s * inverse
    return op.messages * (fit.collective_latency_s * steps + payload_s)
