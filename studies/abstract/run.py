"""The best of all designs within the budgets of the abstract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from splitmodel.specs.cluster import DESIGNS
from splitmodel_studies.bars import ratio_bars
from splitmodel_studies.published import BASELINES, USD_PER_HOUR
from splitmodel_studies.routes import (
    PAIRS,
    Route,
    Served,
    best_split,
    highest_rate_rps,
    over_routes,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHARE = 0.8
"""Cost that 20% less leaves."""
_SHOWN = {
    "cheaper": ("20% less cost\nthan Baseline-H100", 1.4),
    "same_budgets": ("cost and power\nof Baseline-A100", 2.35),
}


def run() -> xr.Dataset:
    """Highest rates within each budget over those of the baseline, by every route."""
    old, new = BASELINES["Baseline-A100"], BASELINES["Baseline-H100"]
    cheaper = {"budget_usd_per_hour": _SHARE * USD_PER_HOUR}
    same: dict[str, float] = {
        "budget_usd_per_hour": float(old.cluster.usd_per_hour),
        "budget_power_w": float(old.cluster.power_provisioned_w),
    }
    return xr.Dataset({"cheaper": _best(cheaper, new), "same_budgets": _best(same, old)})


def plot(result: xr.Dataset) -> Figure:
    """Bars for both promises by route."""
    return ratio_bars(result, _SHOWN, "throughput over the baseline")


def _best(budget: dict[str, float], baseline: Served) -> xr.DataArray:
    return over_routes(
        _highest_rps(budget, route, tier) / highest_rate_rps(baseline, route, tier)
        for route, tier in PAIRS
    )


def _highest_rps(budget: dict[str, float], route: Route, tier: str) -> float:
    goal: dict[str, Any] = {"maximise": "rate", **budget}
    return best_split([*DESIGNS], route, tier, **goal)["highest_rate_rps"]
