"""The roofline: from an operation's counts to its seconds, and what bounds an iteration.

References:
    Williams et al., Roofline, CACM 52(4) 2009; Splitwise (Patel et al., ISCA 2024), section III,
    for what binds each phase. The smooth maximum is a p-norm, so that the resource that does not
    bind keeps a gradient.
"""

from __future__ import annotations

from functools import reduce
from operator import add

import equinox as eqx
import jax
import jax.numpy as jnp

from splitmodel.compilation import total
from splitmodel.roofline.operations import Operation
from splitmodel.specs.hardware import Gpu
from splitmodel.units import Scalar


def p_norm(a: Scalar, b: Scalar, exponent: Scalar) -> Scalar:
    """(aᵖ + bᵖ)^(1/p) of positive `a`, `b`: a smooth maximum, evaluated in log space."""
    larger = jnp.maximum(a, b)
    # By hand, without the cases of other arguments that logaddexp provides for.
    power = jnp.exp(exponent * jnp.log(jnp.minimum(a, b) / larger))
    return larger * jnp.exp(jnp.log(1.0 + power) / exponent)


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

    def seconds(op: Operation) -> GpuSeconds:
        if op.kind != "gemm":
            return operation_seconds(op, gpu, tensor_parallel, clock)
        each = jax.vmap(lambda product: operation_seconds(product, gpu, tensor_parallel, clock))(op)
        return jax.tree.map(lambda apart: total(jnp.moveaxis(apart, 0, -1)), each)

    return jax.tree.map(lambda *parts: reduce(add, parts), *map(seconds, listed))


def operation_seconds(
    op: Operation, gpu: Gpu, tensor_parallel: Scalar, clock: Scalar
) -> GpuSeconds:
    """Time of one operation [s]; arguments as in `gpu_seconds`."""
    fit = gpu.efficiency
    zero = 0.0
    if op.kind in ("gemm", "prefill_attention"):
        reached = fit.gemm_compute if op.kind == "gemm" else fit.attention_compute
        compute_s = op.flop / (reached * gpu.flop_per_s * clock * rate_of_type(op.element_bytes))
        if op.kind == "prefill_attention":
            return GpuSeconds(compute_s, compute_s, zero, zero)
        hbm_s = op.hbm_bytes / (fit.hbm * gpu.hbm_bytes_per_s)
        # No rows are no work; the floor keeps the logarithm, and so the gradient, finite.
        total_s = p_norm(jnp.maximum(compute_s, 1e-12), hbm_s, fit.gemm_norm)
        busy = jnp.where(op.rows > 0.0, 1.0, 0.0)
        return GpuSeconds(total_s * busy, compute_s * busy, hbm_s * busy, zero)
    if op.kind in ("decode_attention", "elementwise"):
        reached = fit.hbm if op.kind == "elementwise" else fit.attention_hbm
        hbm_s = op.hbm_bytes / (reached * gpu.hbm_bytes_per_s)
        return GpuSeconds(hbm_s, zero, hbm_s, zero)
    link_s = link_seconds(op, gpu, tensor_parallel)
    return GpuSeconds(link_s, zero, zero, link_s)


def rate_of_type(element_bytes: Scalar) -> Scalar:
    """Matrix rate relative to 16-bit types.

    Narrower elements are taken as storage only, widened before the product; 32-bit types run on
    the same cores at half the rate (NVIDIA A100 and H100 data sheets, TF32 against FP16).
    """
    return 2.0 / jnp.maximum(element_bytes, 2.0)


def link_seconds(op: Operation, gpu: Gpu, tensor_parallel: Scalar) -> Scalar:
    """Time of NVLink messages [s]: ring all-reduces, or sends between pipeline stages.

    Large all-reduces are slower above a message size that the published profile shows as a jump
    between 2048 and 4096 batched tokens, from some way into the message on.
    """
    fit = gpu.efficiency
    inverse = 1.0 / fit.collective_bandwidth
    if op.kind == "send":
        steps, share = 1.0, 1.0
    else:
        steps = jnp.log2(tensor_parallel)
        share = 2.0 * (tensor_parallel - 1.0) / tensor_parallel
        beyond = 1.0 - fit.collective_burst_bytes / jnp.maximum(op.message_bytes, 1.0)
        large = op.message_bytes > fit.collective_step_bytes
        inverse = inverse + jnp.where(large, fit.collective_slowdown * beyond, 0.0)
    payload_s = share * op.message_bytes / gpu.nvlink_bytes_per_s * inverse
    return op.messages * (fit.collective_latency_s * steps + payload_s)
