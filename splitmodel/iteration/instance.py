"""One copy of the model: the share of a machine that serves it."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.parameters.calibration import graphs_host_time
from splitmodel.parameters.efficiency import HostTime
from splitmodel.specs.cluster import Pool
from splitmodel.specs.hardware import Machine
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Scalar

FITTED_STACK = "splitwise-2023"
"""The stack of the published profile, or whatever stack a machine's host time was fitted on."""
STACKS = (FITTED_STACK, "graphs")
"""Serving stacks whose host time is known."""


class Instance(eqx.Module):
    """A machine's share of `tensor_parallel · pipeline_parallel` GPUs."""

    machine: Machine
    tensor_parallel: Scalar
    pipeline_parallel: Scalar
    power_cap: Scalar
    """Cap as a fraction of the GPUs' TDP, in (0, 1]."""
    host_time: HostTime
    """Host overhead of the serving stack in use."""

    @property
    def gpus(self) -> Scalar:
        """GPUs of the instance."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def per_machine(self) -> Scalar:
        """Instances that one machine hosts."""
        return jnp.floor(self.machine.gpus / self.gpus)


def pool_instance(pool: Pool, model: Transformer, stack: str | None) -> Instance:
    """Instance of a pool's machines under a serving stack."""
    return make_instance(
        pool.machine,
        model,
        pool.tensor_parallel,
        pool.pipeline_parallel,
        pool.power_cap,
        stack,
    )


def make_instance(
    machine: Machine,
    model: Transformer,
    tensor_parallel: Scalar,
    pipeline_parallel: Scalar,
    power_cap: Scalar,
    stack: str | None,
) -> Instance:
    """Instance under a serving stack, one of STACKS.

    Without a stack, models and machines of the published profile take the one that it was
    measured on, and all others the current kind.
    """
    fitted, graphs = machine.host_time, graphs_host_time()
    if stack is None:
        profiled = (model.profile_row >= 0.0) & (machine.gpu.profile_row >= 0.0)
        host_time = HostTime(
            **{
                name: jnp.where(profiled, getattr(fitted, name), getattr(graphs, name))
                for name in HostTime.__dataclass_fields__
            }
        )
    else:
        host_time = fitted if stack == FITTED_STACK else graphs
    return Instance(machine, tensor_parallel, pipeline_parallel, power_cap, host_time)
