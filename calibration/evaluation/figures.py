"""Figures of held-out errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

_LABELS = {
    "mean_error": "roofline",
    "interpolation_error": "interpolation",
    "scaling_error": "scaling by data sheet",
}


def errors_figure(table: pd.DataFrame) -> Figure:
    """Mean error of each way on each split, prefill and decode side by side.

    Args:
        table: as `summary` gives it.
    """
    table = table.query("machine == 'both'")
    names = list(dict.fromkeys(table.split))
    figure = Figure(figsize=(9.0, 0.42 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, phase in zip(axes, ("prefill", "decode"), strict=True):
        one = table[table.phase == phase].set_index("split").loc[names]
        for shift, (column, label) in enumerate(_LABELS.items()):
            places = np.arange(len(names)) + 0.26 * (shift - 1)
            axis.barh(places, 100.0 * one[column], height=0.24, label=label)
        axis.set_title(phase)
        axis.set_xlabel("mean relative error [%]")
        axis.set_xlim(0.0, 40.0)
    axes[0].set_yticks(np.arange(len(names)), names)
    axes[0].invert_yaxis()
    axes[1].legend(frameon=False, fontsize=8)
    return figure


def coverage_figure(predicted: pd.DataFrame) -> Figure:
    """Share of measurements within the interval of each probability; the diagonal is honest.

    Args:
        predicted: as `predictions` gives it.
    """
    held_out = predicted[predicted.split != "in-sample"]
    figure = Figure(figsize=(4.2, 3.6), layout="constrained")
    axis = figure.subplots()
    for phase, rows in held_out.groupby("phase", sort=False):
        scaled = (np.log(rows.roofline_s / rows.time_s).abs() / rows.log_sd).sort_values()
        inside = np.arange(1, len(scaled) + 1) / len(scaled)
        axis.plot(_probability(scaled.to_numpy()), inside, label=str(phase))
    axis.plot([0.0, 1.0], [0.0, 1.0], color="0.7", linewidth=1.0, zorder=0)
    axis.set_xlabel("probability of the interval")
    axis.set_ylabel("share of held-out measurements inside")
    axis.legend(frameon=False)
    return figure


def _probability(width: np.ndarray) -> np.ndarray:
    """Probability that a normal variable is within so many standard deviations."""
    grid = np.linspace(0.0, 8.0, 4001)
    density = np.exp(-0.5 * grid**2)
    return np.interp(width, grid, np.cumsum(density) / density.sum())
