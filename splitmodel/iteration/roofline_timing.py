"""Iteration time from operation counts: extrapolates to any model, GPU and parallelism."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.iteration.instance import Instance
from splitmodel.iteration.power_cap import DECODE_ACTIVITY, clock
from splitmodel.iteration.timing import Timing
from splitmodel.roofline.batch import Batch
from splitmodel.roofline.bound import gpu_seconds, p_norm
from splitmodel.roofline.operations import operations
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Flag, Scalar


class IterationSeconds(eqx.Module):
    """Seconds of one iteration, and of each resource alone; shapes as the batch's leaves."""

    total_s: Scalar
    compute_s: Scalar
    hbm_s: Scalar
    collective_s: Scalar
    host_s: Scalar


class Roofline(Timing):
    """GPU roofline joined with the host time of the serving stack.

    t = pnorm(gpu + L·t_k, L·t_host[phase]) + t_0[prefill] + b0·B^γ[decode]
    """

    def iteration_s(self, batch: Batch, model: Transformer, instance: Instance) -> Scalar:
        """Time of one iteration [s]; see `Timing.iteration_s`."""
        return self.resources_s(batch, model, instance).total_s

    def known(self, model: Transformer, instance: Instance) -> Flag:
        """Counts and data sheets suffice for any model."""
        return jnp.asarray(True)

    def resources_s(self, batch: Batch, model: Transformer, instance: Instance) -> IterationSeconds:
        """Time of one iteration and of each resource alone [s]."""
        prefills = batch.prefill_tokens > 0.0
        cap = instance.power_cap
        speed = jnp.where(prefills, clock(cap, 1.0), clock(cap, DECODE_ACTIVITY))
        gpu = gpu_seconds(
            operations(batch, model, instance.tensor_parallel, instance.pipeline_parallel),
            instance.machine.gpu,
            instance.tensor_parallel,
            speed,
        )
        host = instance.host_time
        layer_s = jnp.where(prefills, host.prefill_layer_s, host.decode_layer_s)
        requests = jnp.maximum(batch.decoding_requests, 1e-20)
        added_s = (
            jnp.where(prefills, host.prefill_s, 0.0)
            + host.decode_batch_s * requests**host.decode_batch_exponent
        )
        gpu_s = gpu.total_s + model.layers * instance.machine.gpu.efficiency.layer_latency_s
        host_s = model.layers * layer_s
        return IterationSeconds(
            total_s=p_norm(gpu_s, host_s, host.norm) + added_s,
            compute_s=gpu.compute_s,
            hbm_s=gpu.hbm_s,
            collective_s=gpu.collective_s,
            host_s=host_s + added_s,
        )


def bound(seconds: IterationSeconds) -> Scalar:
    """Code of the resource that takes longest, of `splitmodel.codes.Bound`, as a real number."""
    alone = (seconds.compute_s, seconds.hbm_s, seconds.collective_s, seconds.host_s)
    return jnp.argmax(jnp.stack(jnp.broadcast_arrays(*alone)), axis=0).astype(float)
