"""Iteration times of DGX-H100 under caps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODEL, _MACHINE = "bloom-176b", "DGX-H100"
_CAPS = np.linspace(0.4, 1.0, 25)
_HALF = 0.5
_BATCHES = {
    "prompt": ("prefill", {"prompt_tokens": 1500.0}),
    "token": ("decode", {"batch_size": 16.0, "context_tokens": 1500.0}),
}
"""The median coding prompt, and a batch of such requests that generate."""


def run() -> xr.Dataset:
    """Slowdowns of both phases over the cap."""
    tdp_w = sm.machine(_MACHINE).gpu.tdp_w
    values = {}
    for name, (phase, batch) in _BATCHES.items():
        asked = {"model": _MODEL, "machine": _MACHINE, **batch}
        full_s = sm.iteration_time(phase, **asked)
        capped_s = sm.iteration_time(phase, **asked, power_cap=np.append(_CAPS, _HALF))
        slowdown = np.asarray(capped_s / full_s)
        values[f"{name}_slowdown_by_cap"] = ("cap_w", slowdown[:-1])
        values[f"{name}_slowdown"] = float(slowdown[-1])
    return xr.Dataset(values, coords={"cap_w": ("cap_w", _CAPS * tdp_w, {"units": "W"})})


def plot(result: xr.Dataset) -> Figure:
    """Slowdown of both phases over the cap of a GPU."""
    figure, (panel,) = panels()
    for name in _BATCHES:
        panel.plot(result["cap_w"], result[f"{name}_slowdown_by_cap"], label=f"{name} phase")
    panel.set(xlabel="cap of a GPU (W)", ylabel="slowdown", ylim=(0.9, None))
    panel.legend()
    return figure
