"""Highest rates of the published clusters of equal cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from splitmodel_studies.bars import rate_bars
from splitmodel_studies.published import EQUAL_COST, USD_PER_HOUR
from splitmodel_studies.routes import PAIRS, best_split, over_routes, rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def run() -> xr.Dataset:
    """Rates by every route, and what AA takes of power and space."""
    rate_rps = rates(EQUAL_COST)
    ours, baseline = EQUAL_COST["AA"].cluster, EQUAL_COST["Baseline-H100"].cluster
    aa_rps = rate_rps.sel(cluster="AA", drop=True)
    goal = {"maximise": "rate", "budget_usd_per_hour": USD_PER_HOUR}
    best = [best_split("AA", route, tier, **goal) for route, tier in PAIRS]
    best_rps = over_routes(found["highest_rate_rps"] for found in best)
    baseline_rps = rate_rps.sel(cluster="Baseline-H100", drop=True)
    return xr.Dataset(
        {
            "rate_rps": rate_rps,
            "aa_over_baseline_h100": aa_rps / baseline_rps,
            "aa_best_over_baseline_h100": best_rps / baseline_rps,
            "aa_best_prompt": over_routes(found["prompt"] for found in best),
            "aa_best_token": over_routes(found["token"] for found in best),
            "aa_power": float(ours.power_provisioned_w / baseline.power_provisioned_w),
            "aa_machines": float(ours.machines / baseline.machines),
            "aa_split": np.minimum(aa_rps / best_rps, 1.0),
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """Rates of all clusters by both simulated routes."""
    return rate_bars(result["rate_rps"])
