"""Machines under a calibration of one's own, and under the uncertainty of a calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.errors import InputError
from splitmodel.parameters.calibration import Calibration, read_calibration, shipped
from splitmodel.parameters.efficiency import GpuEfficiency
from splitmodel.specs.hardware import Machine

Factors = Mapping[str, jax.Array]
"""Logarithm of true over fitted value, by field of GpuEfficiency and HostTime."""


DRAWS = 128
"""Parameter sets that stand for the uncertainty of a calibration."""


def chosen_calibration(path: str | Path | None, machines: Sequence[Machine]) -> Calibration:
    """A file's calibration over the one that ships, which it is without a file.

    Raises:
        InputError: if the file is no calibration, or holds none of the machines.
    """
    if path is None:
        return shipped()
    own = read_calibration(path)
    if not any(
        machine.gpu.label.value in own.gpus or machine.label.value in own.hosts
        for machine in machines
    ):
        raise InputError(
            f"calibration: {own.label} holds {', '.join(own.hosts)}, but none of "
            f"{', '.join(dict.fromkeys(str(each.label.value) for each in machines))}"
        )
    return own.over(shipped())


def origin(machines: Sequence[Machine], calibration: Calibration) -> str:
    """Whether every machine has a fit of its own, "fitted", or some have not, "prior"."""
    fitted = all(
        machine.gpu.label.value in calibration.gpus and machine.label.value in calibration.hosts
        for machine in machines
    )
    return "fitted" if fitted else "prior"


def calibrated(machine: Machine, calibration: Calibration) -> Machine:
    """The machine with the parameters that a calibration has for it; others stay."""
    gpu, label = machine.gpu, machine.gpu.label.value
    return replace(
        machine,
        gpu=replace(
            gpu,
            efficiency=calibration.gpus.get(label, gpu.efficiency),
            power=calibration.power.get(label, gpu.power),
        ),
        host_time=calibration.hosts.get(machine.label.value, machine.host_time),
    )


def off_by(machine: Machine, factors: Factors) -> Machine:
    """The machine with its parameters multiplied by the exponentials of `factors`."""
    gpu, host = machine.gpu, machine.host_time

    def scaled(module: Any, names: list[str]) -> Any:
        values = {name: getattr(module, name) * jnp.exp(factors[name]) for name in names}
        return replace(module, **values)

    of_gpu = [name for name in factors if name in GpuEfficiency.__dataclass_fields__]
    of_host = [name for name in factors if name not in of_gpu]
    return replace(
        machine,
        gpu=replace(gpu, efficiency=scaled(gpu.efficiency, of_gpu)),
        host_time=scaled(host, of_host),
    )


def log_covariance(
    machines: Sequence[Machine], calibration: Calibration
) -> tuple[list[str], np.ndarray]:
    """Covariance of the factors of several machines.

    What one fit tells of two machines is correlated. A GPU or machine without a fit has that of the
    one it is like, and beside that differs from it as one does from the next.

    Returns:
        Fields of one machine, and the covariance of all, shape [machines, fields, machines,
        fields].

    Raises:
        InputError: if the calibration says nothing of its uncertainty.
    """
    fields = list(dict.fromkeys(key.rpartition(".")[2] for key in calibration.keys))
    if not fields:
        raise InputError(f"interval: {calibration.label} has no uncertainties")
    place = {key: index for index, key in enumerate(calibration.keys)}
    sources: list[str] = []
    own: list[str] = []
    for machine in machines:
        for name in fields:
            of_gpu = name in GpuEfficiency.__dataclass_fields__
            entry = machine.gpu if of_gpu else machine
            kind = "gpu" if of_gpu else "host"
            own.append(f"{kind}.{entry.label.value}.{name}")
            like = f"{kind}.{entry.like.value}.{name}"
            sources.append(own[-1] if own[-1] in place else like)
    rows = [place[key] for key in sources]
    covariance = calibration.covariance[np.ix_(rows, rows)]
    for name, source, row in zip(own, sources, range(len(own)), strict=True):
        if name != source:
            same = [other == name for other in own]
            covariance[row, same] += calibration.between.get(name.rpartition(".")[2], 0.0) ** 2
    shape = (len(machines), len(fields))
    return fields, covariance.reshape(*shape, *shape)


def drawn_factors(machines: Sequence[Machine], calibration: Calibration) -> dict[str, np.ndarray]:
    """Factors of several machines drawn from their uncertainty, each shape [DRAWS, machines].

    The draws are the same at every call, and come in pairs of opposite sign: their mean is zero.

    Raises:
        InputError: if the calibration says nothing of its uncertainty.
    """
    fields, covariance = log_covariance(machines, calibration)
    size = len(machines) * len(fields)
    variances, directions = np.linalg.eigh(covariance.reshape(size, size))
    # Rounding in the file leaves tiny negative variances.
    root = directions * np.sqrt(np.maximum(variances, 0.0))
    half = np.random.default_rng(0).standard_normal((DRAWS // 2, size)) @ root.T
    factors = np.concatenate([half, -half]).reshape(DRAWS, len(machines), len(fields))
    return {name: factors[:, :, place] for place, name in enumerate(fields)}
