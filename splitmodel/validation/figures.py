"""Figures of a validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from splitmodel.validation.compare import BAND_NAMES, LARGE, TOLERANCE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL_INCHES = 2.7
_SHOWN = 0.3
"""Errors beyond which a box leaves the figure."""
_MACHINES = (1, 2, 5, 10, 20, 50, 100)
_MARKERS = {"physical": "o", "splitwise-sim": "x"}


def plot_errors(compared: xr.Dataset) -> Figure:
    """Errors of percentiles by band of load: a row for each metric, a column for each semantics.

    It is narrow, so that letters stay legible where it fills a phone.

    Boxes hold the middle half of the errors, their whiskers 80%.

    Args:
        compared: of `splitmodel.validation.compare.compare`.
    """
    # Importing matplotlib takes a second, which only figures should cost.
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(compared["row_semantics"].values.tolist()))
    metrics, percentiles = compared["metric"].values, compared["percentile"].values
    size = (_PANEL_INCHES * len(names), _PANEL_INCHES * len(metrics) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(metrics), len(names), sharex=True, sharey=True, squeeze=False)
    for panels, metric in zip(grid, metrics, strict=True):
        panels[0].set_ylabel(f"{metric.upper()}, error (%)")
        for panel, semantics in zip(panels, names, strict=True):
            panel.axhline(0.0, color="black", linewidth=0.5)
            for place, percentile in enumerate(percentiles):
                errors = compared["error"].sel(metric=metric, percentile=percentile)
                own = compared["row_semantics"] == semantics
                cells = [errors[own & (compared["band"] == band)].values for band in BAND_NAMES]
                drawn = panel.boxplot(
                    [100.0 * np.clip(cell, -2.0 * _SHOWN, 2.0 * _SHOWN) for cell in cells],
                    positions=np.arange(len(cells)) + 0.25 * (place - 1),
                    widths=0.2,
                    whis=(10.0, 90.0),
                    showfliers=False,
                    patch_artist=True,
                    boxprops={"facecolor": f"C{place}", "alpha": 0.6},
                    medianprops={"color": "black"},
                )
                drawn["boxes"][0].set_label(f"P{percentile}")
            panel.set_xticks(range(len(BAND_NAMES)), BAND_NAMES)
            panel.set_ylim(-100.0 * _SHOWN, 100.0 * _SHOWN)
    for panel, semantics in zip(grid[0], names, strict=True):
        panel.set_title(semantics, fontsize="medium")
    for panel in grid[-1]:
        panel.set_xlabel("load")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def plot_highest_rates(compared: xr.Dataset) -> Figure:
    """Analytic over simulated highest rate, over the machines of the cluster.

    Args:
        compared: of `splitmodel.validation.compare.compare`.
    """
    # Importing matplotlib takes a second, which only figures should cost.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.0 * _PANEL_INCHES, 1.2 * _PANEL_INCHES), layout="constrained")
    panel = figure.subplots()
    known = compared["simulated_rps"] > 0.0
    ratio = compared["analytic_rps"] / compared["simulated_rps"].where(known)
    for semantics in dict.fromkeys(compared["semantics"].values.tolist()):
        own = compared["semantics"] == semantics
        panel.scatter(
            compared["machines"][own],
            np.clip(ratio[own], 1.0 - _SHOWN, 1.0 + _SHOWN),
            marker=_MARKERS.get(semantics, "."),
            s=16.0,
            label=semantics,
        )
    panel.axhspan(1.0 - TOLERANCE, 1.0 + TOLERANCE, color="lightgrey", zorder=0)
    panel.axvline(LARGE, color="grey", linestyle="dotted")
    panel.set(
        xscale="log",
        xticks=_MACHINES,
        xticklabels=map(str, _MACHINES),
        xlabel="machines",
        ylabel="highest rate, analytic over simulated",
        ylim=(1.0 - _SHOWN, 1.0 + _SHOWN),
    )
    panel.minorticks_off()
    panel.legend()
    return figure
