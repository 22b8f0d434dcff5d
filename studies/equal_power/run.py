"""Highest rates of the published clusters of equal power, and of the best splits of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from splitmodel_studies.bars import rate_bars
from splitmodel_studies.published import EQUAL_POWER, POWER_W, cost_ratio
from splitmodel_studies.routes import PAIRS, best_split, over_routes, rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLITS = ("AA", "HH", "HA", "HHcap")


def run() -> xr.Dataset:
    """Rates by every route, the published ratios, and how good the published splits are."""
    rate_rps = rates(EQUAL_POWER)
    of = {name: rate_rps.sel(cluster=name, drop=True) for name in EQUAL_POWER}
    aa, ha = of["AA"] / of["Baseline-A100"], of["HA"] / of["Baseline-H100"]
    best = {name: _best_rates(name) for name in _SPLITS}
    return xr.Dataset(
        {
            "rate_rps": rate_rps,
            "aa_over_baseline_a100": aa,
            "ha_over_baseline_h100": ha,
            "aa_cost": cost_ratio("AA", "Baseline-A100"),
            "ha_cost": cost_ratio("HA"),
            "aa_rerun": aa,
            "ha_rerun": ha,
            **{f"{name.lower().replace('-', '_')}_rps": each for name, each in of.items()},
            # A split that nobody proposed may be worse than the published one.
            **{f"{name.lower()}_split": np.minimum(of[name] / best[name], 1.0) for name in best},
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """Rates of all clusters by both simulated routes."""
    return rate_bars(result["rate_rps"])


def _best_rates(design: str) -> xr.DataArray:
    """Highest rate of the best split within the power, by every route."""
    goal = {"maximise": "rate", "budget_power_w": POWER_W}
    return over_routes(
        best_split(design, route, tier, **goal)["highest_rate_rps"] for route, tier in PAIRS
    )
