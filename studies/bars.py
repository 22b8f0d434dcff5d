"""Bars by route: highest rates of clusters, and ratios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from splitmodel_studies.style import ink, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GROUP = 0.8
"""Width of a group of bars."""


def draw_rates(
    panel: Axes, rate_rps: xr.DataArray, label: str = "highest rate (requests/s)"
) -> None:
    """Bars over `cluster`, one for each `route`, in a panel."""
    names = [str(name).replace("-", "\n") for name in rate_rps["cluster"].values]
    _bars(panel, rate_rps)
    panel.set_xticks(range(len(names)), names, fontsize="small")
    panel.set_ylabel(label)


def rate_bars(rate_rps: xr.DataArray, **options: str) -> Figure:
    """A figure of them; options as in `draw_rates`."""
    figure, (panel,) = panels()
    draw_rates(panel, rate_rps, **options)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def ratio_bars(result: xr.Dataset, shown: Mapping[str, tuple[str, float]], label: str) -> Figure:
    """Bars of variables over `route`.

    Args:
        result: holds the variables.
        shown: by variable its name in the figure, and its published value, a dashed line.
        label: of the axis.
    """
    figure, (panel,) = panels()
    _bars(panel, xr.concat([result[name] for name in shown], dim="cluster"))
    for place, (_, published) in enumerate(shown.values()):
        ends = place - 0.5 * _GROUP, place + 0.5 * _GROUP
        panel.hlines(published, *ends, colors=ink(), linestyles="dashed")
    panel.plot([], [], color=ink(), linestyle="dashed", label="published")
    panel.set_xticks(range(len(shown)), [name for name, _ in shown.values()])
    panel.set_ylabel(label)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _bars(panel: Axes, values: xr.DataArray) -> None:
    """Groups over `cluster`; the analytic tier is paler than the simulation beside it."""
    routes = [str(name) for name in values["route"].values]
    kinds = list(dict.fromkeys(name.split(",")[0] for name in routes))
    width = _GROUP / len(routes)
    for turn, name in enumerate(routes):
        panel.bar(
            np.arange(values.sizes["cluster"]) + width * (turn - 0.5 * (len(routes) - 1)),
            values.transpose("cluster", "route").sel(route=name),
            width,
            label=name,
            color=f"C{kinds.index(name.split(',')[0])}",
            alpha=1.0 if name.endswith("simulate") else 0.5,
        )
