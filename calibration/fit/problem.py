"""Measurements as residuals of the very functions that the library evaluates.

Parameters are sought as z, their distance from the prior in standard deviations of the logarithm:
positive whatever z, and of one scale. A parameter of a GPU or machine is that typical of all, times
a deviation of its own, so that what one GPU teaches is the prior of the next.

References:
    Gelman et al., Bayesian Data Analysis (2013), chapter 5 (hierarchical models).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from splitmodel.iteration.instance import Instance
from splitmodel.iteration.roofline_timing import Roofline
from splitmodel.parameters.efficiency import HostTime
from splitmodel.roofline.batch import Batch, decode_batch, prefill_batch
from splitmodel.specs.catalogue import machine, transformer
from splitmodel.specs.hardware import Machine
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Scalar
from splitmodel_calibration.fit.priors import Prior, pinned

PHASE_SD = {"prefill": 0.07, "decode": 0.03}
"""Scale of a residual's logarithm: what a roofline leaves unexplained in the published profile."""
ROBUST = 0.2
"""Residuals beyond this many of those count by their size, not by their square."""


class Rows(eqx.Module):
    """Configurations; every leaf has shape [rows]."""

    batch: Batch
    machine: jax.Array
    """Index of the machine."""
    model: jax.Array
    """Index of the model."""
    tensor_parallel: jax.Array
    pipeline_parallel: jax.Array
    decode: jax.Array
    """1 for decode iterations, 0 for prefill."""
    log_time: jax.Array
    """Logarithm of the measured time [s]."""


class Problem(eqx.Module):
    """What is to be fitted."""

    rows: Rows
    machines: Machine
    """Leaves of shape [machines]; the catalogue's figures with parameters to be replaced."""
    models: Transformer
    """Leaves of shape [models]."""
    gpu_of: jax.Array
    """Index of each machine's GPU, [machines]."""
    typical: jax.Array
    """Logarithm of the prior's typical values, [fields]."""
    sd: jax.Array
    """Their uncertainty, [fields]."""
    between: jax.Array
    """Deviation from one GPU or machine to the next, [fields]."""
    gpus: tuple[str, ...] = eqx.field(static=True)
    hosts: tuple[str, ...] = eqx.field(static=True)
    """Names of the machines."""
    gpu_fields: tuple[str, ...] = eqx.field(static=True)
    host_fields: tuple[str, ...] = eqx.field(static=True)

    @property
    def keys(self) -> tuple[str, ...]:
        """Key of every parameter, in the order of `log_parameters`."""
        named = [f"gpu.{gpu}.{name}" for name in self.gpu_fields for gpu in self.gpus]
        return (*named, *(f"host.{m}.{name}" for name in self.host_fields for m in self.hosts))

    @property
    def unknowns(self) -> int:
        """Length of z."""
        return len(self.gpu_fields) + len(self.host_fields) + len(self.keys)

    def log_parameters(self, z: jax.Array) -> jax.Array:
        """Logarithms of the parameters, shape [keys], from z, shape [unknowns]."""
        fields = len(self.gpu_fields) + len(self.host_fields)
        counts = [len(self.gpus)] * len(self.gpu_fields) + [len(self.hosts)] * len(self.host_fields)
        of_field = np.repeat(np.arange(fields), counts)
        typical = self.typical + self.sd * z[:fields]
        return typical[of_field] + self.between[of_field] * z[fields:]

    def with_parameters(self, log_parameters: jax.Array) -> Machine:
        """The machines with these parameters, leaves of shape [machines]."""
        values = jnp.exp(log_parameters)
        split = len(self.gpu_fields) * len(self.gpus)
        of_gpu = values[:split].reshape(len(self.gpu_fields), len(self.gpus))[:, self.gpu_of]
        of_host = values[split:].reshape(len(self.host_fields), len(self.hosts))
        machines = self.machines
        gpu = replace(
            machines.gpu,
            efficiency=replace(
                machines.gpu.efficiency, **dict(zip(self.gpu_fields, of_gpu, strict=True))
            ),
        )
        host = replace(machines.host_time, **dict(zip(self.host_fields, of_host, strict=True)))
        return replace(machines, gpu=gpu, host_time=host)

    def log_times(self, log_parameters: jax.Array) -> jax.Array:
        """Logarithm of every row's modelled time [s], shape [rows]."""
        machines = self.with_parameters(log_parameters)

        def log_time(row: Rows) -> jax.Array:
            server = jax.tree.map(lambda leaf: leaf[row.machine], machines)
            model = jax.tree.map(lambda leaf: leaf[row.model], self.models)
            instance = Instance(
                server,
                row.tensor_parallel,
                row.pipeline_parallel,
                jnp.ones_like(row.tensor_parallel),
                server.host_time,
            )
            return jnp.log(Roofline().iteration_s(row.batch, model, instance))

        return jax.vmap(log_time)(self.rows)

    def misses(self, z: jax.Array) -> jax.Array:
        """Logarithm of modelled over measured time in units of PHASE_SD, shape [rows]."""
        sd = jnp.where(self.rows.decode > 0.0, PHASE_SD["decode"], PHASE_SD["prefill"])
        return (self.log_times(self.log_parameters(z)) - self.rows.log_time) / sd

    def residuals(self, z: jax.Array, weight: jax.Array) -> jax.Array:
        """What least squares make small, shape [rows + unknowns].

        Args:
            z: parameters, shape [unknowns].
            weight: of every row, shape [rows]; 0 leaves it out, 2 counts it twice.
        """
        return jnp.concatenate([jnp.sqrt(weight) * robust(self.misses(z)), z])

    def pinned(self, **values: Scalar) -> Problem:
        """The same problem with other values of parameters that are not fitted."""
        machines = self.machines

        def full(name: str, module: eqx.Module) -> dict[str, jax.Array]:
            return {name: jnp.full_like(getattr(module, name), values[name])}

        efficiency, host = machines.gpu.efficiency, machines.host_time
        for name in values:
            if name in HostTime.__dataclass_fields__:
                host = replace(host, **full(name, host))
            else:
                efficiency = replace(efficiency, **full(name, efficiency))
        gpu = replace(machines.gpu, efficiency=efficiency)
        return replace(self, machines=replace(machines, gpu=gpu, host_time=host))


def robust(miss: jax.Array, width: float = ROBUST) -> jax.Array:
    """Residual of which half the square is the pseudo-Huber loss, smooth and of one sign.

    References:
        Charbonnier et al., IEEE Transactions on Image Processing 6 (1997), equation 30.
    """
    return miss * jnp.sqrt(2.0 / (1.0 + jnp.sqrt(1.0 + (miss / width) ** 2)))


def make_problem(
    rows: pd.DataFrame,
    priors: Mapping[str, Prior],
    *,
    machines: Sequence[Machine] | None = None,
    models: Sequence[Transformer] | None = None,
) -> Problem:
    """Measurements as a problem.

    Args:
        rows: as in `Measurements.rows`.
        priors: of every field.
        machines: those that the rows name, in any order; by default from the catalogue.
        models: those that the rows name; by default from the catalogue.

    Raises:
        InputError: for an unknown machine or model.
    """
    machines = machines or [machine(name) for name in dict.fromkeys(rows.machine)]
    models = models or [transformer(name) for name in dict.fromkeys(rows.model)]
    hosts = tuple(str(each.label.value) for each in machines)
    named = [str(each.label.value) for each in models]
    gpu_names = [str(each.gpu.label.value) for each in machines]
    gpus = tuple(dict.fromkeys(gpu_names))
    is_decode = (rows.phase == "decode").to_numpy()

    def leaf(name: str) -> jax.Array:
        return jnp.asarray(rows[name].to_numpy(), dtype=float)

    requests, tokens = leaf("batch_size"), leaf("tokens")
    batch = jax.tree.map(
        lambda one, other: jnp.where(is_decode, one, other),
        decode_batch(requests, tokens),
        prefill_batch(tokens, requests),
    )
    gpu_fields = tuple(name for name, prior in priors.items() if prior.kind == "gpu")
    host_fields = tuple(name for name, prior in priors.items() if prior.kind == "host")
    ordered = [priors[name] for name in (*gpu_fields, *host_fields)]

    def stacked(trees: Sequence[Any]) -> Any:
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *as_arrays(list(trees)))

    problem = Problem(
        rows=Rows(
            batch=batch,
            machine=jnp.asarray(rows.machine.map(hosts.index).to_numpy()),
            model=jnp.asarray(rows.model.map(named.index).to_numpy()),
            tensor_parallel=leaf("tensor_parallel"),
            pipeline_parallel=leaf("pipeline_parallel"),
            decode=jnp.asarray(is_decode, dtype=float),
            log_time=jnp.log(leaf("time_s")),
        ),
        machines=stacked(machines),
        models=stacked(models),
        gpu_of=jnp.asarray([gpus.index(name) for name in gpu_names]),
        typical=jnp.log(jnp.asarray([prior.typical for prior in ordered], dtype=float)),
        sd=jnp.asarray([prior.sd for prior in ordered], dtype=float),
        between=jnp.asarray([prior.between for prior in ordered], dtype=float),
        gpus=gpus,
        hosts=hosts,
        gpu_fields=gpu_fields,
        host_fields=host_fields,
    )
    return problem.pinned(**pinned())
