"""Iteration time from operation counts: extrapolates to any model, GPU and parallelism."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from splitmodel.iteration.instance import Instance
from splitmodel.iteration.power_cap import clock
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

    t = pnorm(gpu + L·t_k, L·t_host[phase]) + t_0[prefill] + b0·B + b1·max(B − B1, 0)

    with B decoding requests; parameters as in `splitmodel.parameters.efficiency`.
    """

    def iteration_s(self, batch: Batch, model: Transformer, instance: Instance) -> Scalar:
        """Time of one iteration [s]; see `Timing.iteration_s`."""
        return self.resources_s(batch, model, instance).total_s

    def known(self, model: Transformer, instance: Instance) -> Flag:
        """Counts and data sheets suffice for any model."""
        return jnp.asarray(True)

    @jax.jit
    def resources_s(self, batch: Batch, model: Transformer, instance: Instance) -> IterationSeconds:
        """Time of one iteration and of each resource alone [s]."""
        prefills = batch.prefill_tokens > 0.0
        server = instance.machine.gpu
        activity = jnp.where(prefills, 1.0, server.power.decode_activity)
        gpu = gpu_seconds(
            operations(batch, model, instance.tensor_parallel, instance.pipeline_parallel),
            server,
            instance.tensor_parallel,
            clock(instance.power_cap, activity, server.power),
        )
        host, fit = instance.host_time, server.efficiency
        layer_s = jnp.where(prefills, host.prefill_layer_s, host.decode_layer_s)
        requests = batch.decoding_requests
        added_s = (
            jnp.where(prefills, host.prefill_s, 0.0)
            + host.decode_request_s * requests
            + host.decode_crowd_s * jnp.maximum(requests - host.crowd_requests, 0.0)
        )
        gpu_s = gpu.total_s + model.layers * fit.layer_latency_s
        host_s = model.layers * layer_s
        misfit = jnp.where(prefills, fit.prefill_misfit, fit.decode_misfit)
        return IterationSeconds(
            total_s=misfit * (p_norm(gpu_s, host_s, host.norm) + added_s),
            compute_s=gpu.compute_s,
            hbm_s=gpu.hbm_s,
            collective_s=gpu.collective_s,
            host_s=host_s + added_s,
        )


def bound(seconds: IterationSeconds) -> Scalar:
    """Code of the resource that takes longest, of `splitmodel.codes.Bound`, as a real number."""
    alone = (seconds.compute_s, seconds.hbm_s, seconds.collective_s, seconds.host_s)
    return jnp.argmax(jnp.stack(jnp.broadcast_arrays(*alone)), axis=0).astype(float)
