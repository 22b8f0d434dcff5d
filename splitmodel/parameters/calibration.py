"""Fitted parameters as calibration writes them: those that ship, or a file of one's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from splitmodel.errors import InputError, unknown_name
from splitmodel.parameters.efficiency import GpuEfficiency, HostTime, PowerUse

SHIPPED = Path(str(files("splitmodel.parameters") / "fitted.toml"))

MISFITS = ("prefill_misfit", "decode_misfit")
"""Fields of GpuEfficiency that are one by definition; only their uncertainty is fitted."""

_SHARED_GPU = ("gemm_norm",)
_SHARED_HOST = ("norm", "crowd_requests")


@dataclass(frozen=True)
class Calibration:
    """Parameters by GPU and by machine, and how sure they are.

    A key is "gpu.NAME.field" or "host.NAME.field"; all uncertainty is in logarithms.
    """

    label: str
    """Where it comes from."""
    gpus: Mapping[str, GpuEfficiency]
    hosts: Mapping[str, HostTime]
    power: Mapping[str, PowerUse]
    keys: tuple[str, ...] = ()
    """Keys of the fitted parameters, in the order of `covariance`."""
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    """Covariance of their logarithms, shape [keys, keys]."""
    between: Mapping[str, float] = field(default_factory=dict)
    """Standard deviation of a field's logarithm between one GPU or machine and the next."""

    def gpu_efficiency(self, gpu: str, like: str) -> GpuEfficiency:
        """Efficiencies of a GPU: its own fit, else those of the fitted GPU it is `like`."""
        return self.gpus.get(gpu) or self.gpus[like]

    def host_time(self, machine: str, like: str) -> HostTime:
        """Host time of the 2023 stack on a machine: its own, else that of the one it is `like`."""
        return self.hosts.get(machine) or self.hosts[like]

    def power_use(self, gpu: str, like: str) -> PowerUse:
        """Draw of a GPU: its own fit, else that of the one it is `like`, else the only one."""
        return self.power.get(gpu) or self.power.get(like) or next(iter(self.power.values()))

    def over(self, base: Calibration) -> Calibration:
        """This calibration, and the base's for the GPUs and machines that it does not hold."""
        kept = [
            place
            for place, key in enumerate(base.keys)
            if key.split(".")[1] not in (self.gpus if key.startswith("gpu.") else self.hosts)
        ]
        size = len(self.keys) + len(kept)
        covariance = np.zeros((size, size))
        covariance[: len(self.keys), : len(self.keys)] = self.covariance
        covariance[len(self.keys) :, len(self.keys) :] = base.covariance[np.ix_(kept, kept)]
        return Calibration(
            self.label,
            {**base.gpus, **self.gpus},
            {**base.hosts, **self.hosts},
            {**base.power, **self.power},
            (*self.keys, *(base.keys[place] for place in kept)),
            covariance,
            {**base.between, **self.between},
        )


@cache
def shipped() -> Calibration:
    """The calibration that ships with the library."""
    return read_calibration(SHIPPED)


def read_calibration(path: str | Path) -> Calibration:
    """A calibration from its file.

    Args:
        path: TOML as `splitmodel calibrate` writes it.

    Raises:
        InputError: for a file that cannot be read or is no calibration.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise InputError(f"calibration: {path} cannot be read: {problem}") from problem
    try:
        return _calibration(table, "shipped" if path == SHIPPED else str(path))
    except (KeyError, TypeError, ValueError) as problem:
        raise InputError(
            f"calibration: {path} is no file that `splitmodel calibrate` writes: {problem!r}"
        ) from problem


@cache
def graphs_host_time() -> HostTime:
    """Host time of a stack that replays captured graphs, on any machine."""
    text = (files("splitmodel.parameters") / "graphs.toml").read_text(encoding="utf-8")
    return _module(HostTime, tomllib.loads(text))


def _calibration(table: dict[str, Any], label: str) -> Calibration:
    shared = table["shared"]
    misfits = dict.fromkeys(MISFITS, 1.0)
    gpus = {
        name: _module(GpuEfficiency, values | misfits | _only(shared, _SHARED_GPU))
        for name, values in table["gpu"].items()
    }
    hosts = {
        name: _module(HostTime, values | _only(shared, _SHARED_HOST))
        for name, values in table["host"].items()
    }
    if not (gpus and hosts):
        raise ValueError("no [gpu.NAME] or no [host.NAME]")
    power = {name: _module(PowerUse, values) for name, values in table.get("power", {}).items()}
    uncertainty = table["uncertainty"]
    keys = tuple(uncertainty["keys"])
    covariance = np.array(uncertainty["covariance"], dtype=np.float64)
    if covariance.size != len(keys) ** 2:
        raise ValueError(f"covariance of {covariance.size} numbers for {len(keys)} keys")
    covariance = covariance.reshape(len(keys), len(keys))
    return Calibration(label, gpus, hosts, power, keys, covariance, uncertainty["between"])


def _only(table: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: table[name] for name in names}


def _module(kind: type[Any], values: dict[str, Any]) -> Any:
    """A module of positive numbers; every field must be there and no other."""
    fields = set(kind.__dataclass_fields__)
    if unknown := set(values) - fields:
        raise unknown_name("parameter", unknown.pop(), fields)
    if missing := fields - set(values):
        raise ValueError(f"{kind.__name__} lacks {', '.join(sorted(missing))}")
    for name, value in values.items():
        if not 0.0 < float(value) < np.inf:
            raise ValueError(f"{name} = {value} is not positive and finite")
    return kind(**{name: float(value) for name, value in values.items()})
