"""Percentiles of prompt and output sizes of the Azure traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = ("prompt", "output")
_SHOWN = {"conv": "conversation", "code": "coding"}


def run() -> xr.Dataset:
    """Medians, and the percentiles that the figure shows."""
    at = np.arange(1.0, 100.0)
    loads = {name: sm.Workload.azure(name, 1.0) for name in AZURE_TRACES}
    sizes = [
        [np.asarray(load.percentile_tokens(column, at)) for column in _COLUMNS]
        for load in loads.values()
    ]
    medians = {
        f"{name}_{column}_tokens": float(load.percentile_tokens(column, 50.0))
        for name, load in loads.items()
        for column in _COLUMNS
    }
    return xr.Dataset(
        {**medians, "tokens": (("service", "column", "at"), sizes, {"units": "tokens"})},
        coords={"service": list(loads), "column": list(_COLUMNS), "at": at},
    )


def plot(result: xr.Dataset) -> Figure:
    """Cumulative distributions of prompt and output sizes."""
    figure, both = panels(2)
    for panel, column in zip(both, _COLUMNS, strict=True):
        for service, shown in _SHOWN.items():
            sizes = result["tokens"].sel(service=service, column=column)
            panel.plot(sizes, result["at"], label=shown)
        panel.set(xscale="log", xlabel=f"{column} tokens", ylabel="requests (%)", ylim=(0, 100))
        panel.legend()
    return figure
