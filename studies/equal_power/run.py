"""Highest rates of the published clusters of equal power, and of the best splits of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from splitmodel_studies.bars import draw_rates
from splitmodel_studies.equal_power.load_curves import LIMIT, PERCENTILE, slowdowns
from splitmodel_studies.published import EQUAL_POWER, POWER_W, cost_ratio
from splitmodel_studies.routes import (
    AUTHORS,
    PAIRS,
    PHYSICAL,
    Route,
    Served,
    best_split,
    highest_rate_rps,
    label,
    over_routes,
    rates,
)
from splitmodel_studies.style import ink, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLITS = ("AA", "HH", "HA", "HHcap")
_PHYSICAL = label(PHYSICAL, "simulate")
_CODING = Served("HH", 35, 5, "code")
"""Published for the coding service."""


def run() -> xr.Dataset:
    """Rates by every route, the published ratios, and how good the published splits are."""
    rate_rps = rates(EQUAL_POWER)
    of = {name: rate_rps.sel(cluster=name, drop=True) for name in EQUAL_POWER}
    aa, ha = of["AA"] / of["Baseline-A100"], of["HA"] / of["Baseline-H100"]
    best = {
        name: over_routes(_best_rps(name, route, tier) for route, tier in PAIRS) for name in _SPLITS
    }
    coding = highest_rate_rps(_CODING, AUTHORS, "simulate") / _best_rps(
        _CODING.design, AUTHORS, "simulate", _CODING.workload
    )
    return xr.Dataset(
        {
            "highest_rps": rate_rps,
            "slowdown": slowdowns(),
            "aa_over_baseline_a100": aa,
            "ha_over_baseline_h100": ha,
            "aa_cost": cost_ratio("AA", "Baseline-A100"),
            "ha_cost": cost_ratio("HA"),
            "aa_rerun": aa,
            "ha_rerun": ha,
            "most_by_physics": max(float(each.sel(route=_PHYSICAL)) for each in (aa, ha)),
            **{f"{name.lower().replace('-', '_')}_rps": each for name, each in of.items()},
            # A split that nobody proposed may be worse than the published one.
            **{f"{name.lower()}_split": np.minimum(of[name] / best[name], 1.0) for name in best},
            "coding_hh_split": min(coding, 1.0),
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """Rates of all clusters by every route above, slowdown over the rate below."""
    figure, (above, below) = panels(2)
    draw_rates(above, result["highest_rps"])
    for name in result["cluster"].values:
        style = "dashed" if str(name).startswith("Baseline") else "solid"
        slowdown = result["slowdown"].sel(cluster=name)
        below.plot(result["rate_rps"], slowdown, linestyle=style, label=str(name))
    below.axhline(LIMIT, color=ink(), linewidth=1.0, label="limit")
    below.set(xlabel="requests/s", ylabel=f"P{PERCENTILE} of the E2E slowdown", ylim=(0.5, 3.0))
    below.legend(ncols=2)
    handles, labels = above.get_legend_handles_labels()
    above.legend(handles, labels, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def _best_rps(design: str, route: Route, tier: str, workload: str = "conv") -> float:
    """Highest rate of the best split within the power [requests/s]."""
    goal = {"maximise": "rate", "budget_power_w": POWER_W}
    return best_split(design, route, tier, workload, **goal)["highest_rate_rps"]
