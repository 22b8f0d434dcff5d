"""The least of HHcap and AA that serves the highest rate of Baseline-H100."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from splitmodel_studies.bars import ratio_bars
from splitmodel_studies.published import BASELINES, POWER_W, USD_PER_HOUR
from splitmodel_studies.routes import PAIRS, best_split, highest_rate_rps, over_routes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = {"hhcap_power": ("power of HHcap", 0.75), "aa_cost": ("cost of AA", 0.75)}


def run() -> xr.Dataset:
    """Power, cost and machines over those of Baseline-H100; NaN where no cluster will do."""
    baseline = BASELINES["Baseline-H100"]
    of = {
        design: [
            best_split(
                design,
                route,
                tier,
                minimise=quantity,
                rate_rps=highest_rate_rps(baseline, route, tier),
            )
            for route, tier in PAIRS
        ]
        for design, quantity in {"HHcap": "power", "AA": "cost"}.items()
    }

    def ratio(design: str, name: str, over: float) -> xr.DataArray:
        return over_routes(found[name] / over for found in of[design])

    return xr.Dataset(
        {
            "hhcap_power": ratio("HHcap", "power_provisioned_w", POWER_W),
            "hhcap_cost": ratio("HHcap", "cost_usd_per_hour", USD_PER_HOUR),
            "hhcap_machines": ratio("HHcap", "machines", baseline.first),
            "aa_cost": ratio("AA", "cost_usd_per_hour", USD_PER_HOUR),
            "aa_power": ratio("AA", "power_provisioned_w", POWER_W),
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """Power of HHcap and cost of AA by route."""
    return ratio_bars(result, _SHOWN, "least over Baseline-H100")
