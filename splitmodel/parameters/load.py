"""Reads the fitted parameters that ship with the library."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from splitmodel.parameters.efficiency import GpuEfficiency, HostTime


@cache
def _parameters() -> dict[str, Any]:
    text = (files("splitmodel.parameters") / "roofline.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def fitted_gpus() -> list[str]:
    """GPUs that have a fit of their own."""
    return list(_parameters()["gpu"])


def fitted_machines() -> list[str]:
    """Machines that have a fit of their own."""
    return [name for name in _parameters()["host"] if name != "graphs"]


def gpu_efficiency(gpu: str, like: str) -> GpuEfficiency:
    """Efficiencies of a GPU: its own fit, else those of the fitted GPU it is `like`, as prior."""
    table = _parameters()["gpu"]
    return GpuEfficiency(
        **table.get(gpu, table[like]), gemm_norm=_parameters()["shared"]["gemm_norm"]
    )


def host_time(machine: str, like: str) -> HostTime:
    """Host time of the 2023 stack on a machine: its own fit, else that of the one it is `like`."""
    table = _parameters()["host"]
    return _host_time(table.get(machine, table[like]))


def graphs_host_time() -> HostTime:
    """Host time of a stack that replays captured graphs, on any machine."""
    return _host_time(_parameters()["host"]["graphs"])


def _host_time(values: dict[str, float]) -> HostTime:
    return HostTime(**values, norm=_parameters()["shared"]["host_norm"])
