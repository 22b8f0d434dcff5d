"""Highest rates of the published clusters of equal cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from splitmodel_studies.bars import rate_bars
from splitmodel_studies.published import EQUAL_COST, USD_PER_HOUR
from splitmodel_studies.routes import (
    AUTHORS,
    PAIRS,
    RERUN,
    Route,
    Served,
    best_split,
    highest_rate_rps,
    label,
    over_routes,
    rates,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_JUDGED = label(AUTHORS, "simulate")


def run() -> xr.Dataset:
    """Rates by every route, as a re-run would find them, and what AA takes of power and space."""
    rate_rps = rates(EQUAL_COST)
    of = {name: rate_rps.sel(cluster=name, drop=True) for name in EQUAL_COST}
    ours, baseline = EQUAL_COST["AA"], EQUAL_COST["Baseline-H100"]
    best = [_best("AA", route, tier) for route, tier in PAIRS]
    best_rps = over_routes(found["highest_rate_rps"] for found in best)
    prompt, token = (over_routes(found[name] for found in best) for name in ("prompt", "token"))
    judged = {"route": _JUDGED}
    best_of_authors = Served("AA", int(prompt.sel(judged)), int(token.sel(judged)))
    others = {name: _best(name, AUTHORS, "simulate") for name in ("HA", "HHcap")}
    splits = {
        f"{name.lower()}_split": float(of[name].sel(judged)) / found["highest_rate_rps"]
        for name, found in others.items()
    }
    baseline_rerun_rps, *rerun_rps = (
        highest_rate_rps(served, AUTHORS, "simulate", RERUN)
        for served in (baseline, ours, best_of_authors)
    )
    return xr.Dataset(
        {
            "rate_rps": rate_rps,
            "aa_over_baseline_h100": of["AA"] / of["Baseline-H100"],
            "aa_best_over_baseline_h100": best_rps / of["Baseline-H100"],
            "aa_best_prompt": prompt,
            "aa_best_token": token,
            "baseline_h100_rerun_rps": baseline_rerun_rps,
            "aa_rerun_rps": rerun_rps[0],
            "aa_rerun": rerun_rps[0] / baseline_rerun_rps,
            "aa_best_rerun": rerun_rps[1] / baseline_rerun_rps,
            "aa_power": float(
                ours.cluster.power_provisioned_w / baseline.cluster.power_provisioned_w
            ),
            "aa_machines": float(ours.cluster.machines / baseline.cluster.machines),
            # A split that nobody proposed may be worse than the published one.
            "aa_split": np.minimum(of["AA"] / best_rps, 1.0),
            **{name: min(ratio, 1.0) for name, ratio in splits.items()},
            "ha_best_prompt": others["HA"]["prompt"],
            "ha_best_token": others["HA"]["token"],
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """Rates of all clusters by both simulated routes."""
    return rate_bars(result["rate_rps"])


def _best(design: str, route: Route, tier: str) -> dict[str, Any]:
    """The best split for the cost of 40 DGX-H100."""
    return best_split(design, route, tier, maximise="rate", budget_usd_per_hour=USD_PER_HOUR)
