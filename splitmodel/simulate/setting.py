"""One configuration to simulate, with all that its parts need."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp

from splitmodel.iteration.instance import Instance, make_instance, pool_instance
from splitmodel.iteration.timing import Timing
from splitmodel.specs.cluster import Cluster, Pool
from splitmodel.specs.hardware import Machine
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer


class Setting(eqx.Module):
    """Cluster and model under one timing, semantics, serving stack and limits."""

    cluster: Cluster
    model: Transformer
    slo: SLO
    timing: Timing
    reference: Machine
    """Machine on which a request alone gives the slowdowns' denominator."""
    semantics: Semantics = eqx.field(static=True)
    stack: str | None = eqx.field(static=True)

    def as_arrays(self) -> Setting:
        """All but the timing, which may have leaves of other types, with leaves as float arrays."""
        named = ("cluster", "model", "slo", "reference")
        return replace(self, **{name: as_arrays(getattr(self, name)) for name in named})

    @property
    def pools(self) -> list[tuple[int, Pool]]:
        """Pools with machines, by their place in POOLS; their order gives the kinds of server."""
        return [(place, pool) for place, pool in enumerate(self.cluster.pools) if pool.machines > 0]

    def instance(self, pool: Pool) -> Instance:
        """Instance of a pool's machines under the serving stack."""
        return pool_instance(pool, self.model, self.stack)

    def alone(self) -> Instance:
        """Instance of the reference machine, all of its GPUs together."""
        machine = self.reference
        one = jnp.ones(())
        return make_instance(machine, self.model, machine.gpus, one, one, self.stack)
