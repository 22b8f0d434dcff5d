"""Clusters of equal power sized for coding, serving conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from splitmodel_studies.bars import ratio_bars
from splitmodel_studies.published import EQUAL_POWER, POWER_W
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

_SHOWN = {"ha_kept": ("HA", 0.93), "hhcap_kept": ("HHcap", 0.93)}


def run() -> xr.Dataset:
    """Share of the rate that remains, and the splits for coding, by every route."""
    values = {}
    for design in ("HA", "HHcap"):
        splits = [_sized_for_coding(design, route) for route, _ in PAIRS]
        name = design.lower()
        values[f"{name}_prompt"] = over_routes(split.first for split in splits)
        values[f"{name}_token"] = over_routes(split.second for split in splits)
        values[f"{name}_kept"] = over_routes(
            highest_rate_rps(split, route, tier)
            / highest_rate_rps(_sized_for_conversation(design, route), route, tier)
            for split, (route, tier) in zip(splits, PAIRS, strict=True)
        )
    return xr.Dataset(values)


def plot(result: xr.Dataset) -> Figure:
    """Share of the rate that remains, by route."""
    return ratio_bars(result, _SHOWN, "rate over that of a cluster\nsized for conversation")


def _sized_for_coding(design: str, route: Route) -> Served:
    return _best(design, route, "code")


def _sized_for_conversation(design: str, route: Route) -> Served:
    """The published one, which our physics finds too short of token machines."""
    if route.name == "splitwise-sim":
        return EQUAL_POWER[design]
    return _best(design, route, "conv")


def _best(design: str, route: Route, workload: str) -> Served:
    found = best_split(design, route, "analytic", workload, maximise="rate", budget_power_w=POWER_W)
    return Served(design, int(found["prompt"]), int(found["token"]))
