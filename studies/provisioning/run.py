"""HH clusters for coding: how fast each split is, and the cheapest that is fast enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

import splitmodel as sm
from splitmodel_studies.routes import (
    AUTHORS,
    PAIRS,
    Served,
    best_split,
    over_routes,
)
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATE_RPS = 70.0
_DESIGN = "HH"
_PUBLISHED = Served(_DESIGN, 27, 3, "code")
_POINTS = 14


def run() -> xr.Dataset:
    """The cheapest cluster by every route, and a map under the authors' semantics."""
    found = [
        best_split(_DESIGN, route, tier, "code", minimise="cost", rate_rps=RATE_RPS)
        for route, tier in PAIRS
    ]
    explored = sm.provision(
        AUTHORS.load("code").with_rate(RATE_RPS),
        model="bloom-176b",
        minimise="cost",
        margin=0.0,
        designs=[_DESIGN],
        map_points=_POINTS,
        **AUTHORS.question,
    ).isel(map_design=0)
    names = ("prompt", "token", "machines")
    return xr.Dataset(
        {
            **{name: over_routes(each[name] for each in found) for name in names},
            "map_rps": (("x", "y"), explored["map_highest_rate_rps"].values),
            "map_prompt": ("x", explored["map_prompt"].values),
            "map_token": ("y", explored["map_token"].values),
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """Highest rate over prompt and token machines, with the published and our cheapest split."""
    figure, (panel,) = panels()
    filled = panel.contourf(
        result["map_prompt"], result["map_token"], result["map_rps"].T, 12, cmap="cividis"
    )
    figure.colorbar(filled, ax=panel, label="highest rate (requests/s)")
    axes = (result["map_prompt"], result["map_token"])
    panel.contour(*axes, result["map_rps"].T, [RATE_RPS], colors="C5", linewidths=2.0)
    ours = [result[name].sel(route="splitwise-sim, simulate") for name in ("prompt", "token")]
    for marker, place, label in (
        ("o", (_PUBLISHED.first, _PUBLISHED.second), "published"),
        ("*", ours, "ours"),
    ):
        panel.plot(*place, marker, markersize=11, color="white", mec="black", label=label)
    panel.plot([], [], color="C5", linewidth=2.0, label=f"{RATE_RPS:g} requests/s")
    panel.set(xlabel="prompt machines", ylabel="token machines")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
