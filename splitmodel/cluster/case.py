"""One question to the analytic tier, with all that its parts need to answer it."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.cluster.sizes import Sizes
from splitmodel.compilation import compiled_apart
from splitmodel.iteration.instance import Instance, pool_instance
from splitmodel.iteration.memory import largest_batch
from splitmodel.iteration.timing import Timing
from splitmodel.roofline.batch import Batch, decode_batch
from splitmodel.specs.cluster import Cluster, Pool
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar


class Case(eqx.Module):
    """Cluster, load and model under one timing, semantics and serving stack."""

    cluster: Cluster
    load: Workload
    sizes: Sizes
    model: Transformer
    timing: Timing
    semantics: Semantics = eqx.field(static=True)
    stack: str | None = eqx.field(static=True)

    def instance(self, pool: Pool) -> Instance:
        """Instance of a pool's machines under the serving stack."""
        return pool_instance(pool, self.model, self.stack)

    def iteration_s(self, batch: Batch, instance: Instance) -> Scalar:
        """Time of one iteration [s]."""
        return _iteration_s(self.timing, batch, self.model, instance)

    def times_s(self, instance: Instance, *batches: Batch) -> list[Scalar]:
        """Times of several iterations [s], each in its batch's shape: compiled once for all."""
        arrays = [jax.tree.map(jnp.asarray, batch) for batch in batches]
        joined = jax.tree.map(
            lambda *leaves: jnp.concatenate(list(map(jnp.ravel, leaves))), *arrays
        )
        shapes = [batch.prefill_tokens.shape for batch in arrays]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        parts = jnp.split(self.iteration_s(joined, instance), ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def decoding(self, requests: Scalar) -> Batch:
        """A decode iteration of `requests` typical requests."""
        return decode_batch(requests, jnp.ones_like(requests) * self.sizes.decode_context_tokens)

    def step_s(self, requests: Scalar, instance: Instance) -> Scalar:
        """Time of a decode iteration of `requests` typical requests [s]."""
        return self.iteration_s(self.decoding(requests), instance)

    def batch_limit(self, instance: Instance) -> Scalar:
        """Requests that can decode together in one batch of an instance, at least 1e-3.

        The batches in flight in a pipeline share its memory.
        """
        fitting = largest_batch(
            instance, self.model, self.semantics, self.sizes.resident_tokens, jnp.inf
        )
        return jnp.clip(fitting / instance.pipeline_parallel, 1e-3, self.cluster.max_batch_size)


@compiled_apart
def _iteration_s(timing: Timing, batch: Batch, model: Transformer, instance: Instance) -> Scalar:
    # A timing is then traced once per shape, too, and not once per call.
    return timing.iteration_s(batch, model, instance)


def servers(pool: Pool, instance: Instance) -> Scalar:
    """Independent batches that a pool runs at once.

    A pipeline of p stages keeps p batches in flight, each with the latency of all stages. Where no
    instance fits a machine, or there is no machine, the floor keeps what follows finite; the
    status tells.
    """
    return jnp.maximum(pool.machines * instance.per_machine * instance.pipeline_parallel, 1e-6)
