"""Bars of highest rates, a group for each cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rate_bars(rate_rps: xr.DataArray, label: str = "highest rate (requests/s)") -> Figure:
    """Bars over `cluster`, one for each simulated `route`; a dash on each is the analytic tier."""
    figure, (panel,) = panels()
    routes = [str(name) for name in rate_rps["route"].values if str(name).endswith("simulate")]
    places, width = np.arange(rate_rps.sizes["cluster"]), 0.8 / len(routes)
    for turn, name in enumerate(routes):
        at = places + width * (turn - 0.5 * (len(routes) - 1))
        panel.bar(at, rate_rps.sel(route=name), width, label=name)
        analytic = rate_rps.sel(route=name.replace("simulate", "analytic"))
        panel.hlines(analytic, at - 0.5 * width, at + 0.5 * width, colors="black", linewidth=3.0)
        panel.hlines(analytic, at - 0.5 * width, at + 0.5 * width, colors="white", linewidth=1.2)
    panel.plot([], [], color="grey", label="the same, analytic")
    panel.set_xticks(places, [str(name).replace("-", "-\n") for name in rate_rps["cluster"].values])
    panel.set_ylabel(label)
    panel.legend()
    return figure
