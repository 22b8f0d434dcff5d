"""The routes by which a result is reproduced, and what a route says of a cluster.

A route has conventions and iteration times: those of the authors' simulator, or physics with the
calibrated roofline. Either tier, analytic or simulate, follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import xarray as xr

import splitmodel as sm
from splitmodel.evaluate import TIERS
from splitmodel.iteration.timing import Timing
from splitmodel.specs.semantics import Semantics
from splitmodel_studies.kept import known

SIMULATION = {"seeds": 2, "duration_s": 240.0}
"""Runs at every rate: their means give a highest rate to about 1%."""
RERUN = {"seeds": 4, "duration_s": 120.0, "warm_up_s": 0.0, "cool_down_s": 0.0}
"""As the authors' simulator is run: traces of two minutes, of which every request counts. Several
of them, because the highest rate of one moves by a few percent with its requests."""
CONFIRMED = {"splitwise-sim": 2}
"""Clusters about the analytic optimum between which simulation decides; of other routes one
is simulated."""


@dataclass(frozen=True)
class Served:
    """A cluster and what it serves."""

    design: str
    first: int
    """Prompt machines, or all machines of a baseline."""
    second: int = 0
    """Token machines."""
    workload: str = "conv"
    model: str = "bloom-176b"

    @property
    def cluster(self) -> sm.Cluster:
        """The cluster."""
        if self.second:
            return sm.cluster_of(self.design, prompt=self.first, token=self.second)
        return sm.cluster_of(self.design, machines=self.first)


@dataclass(frozen=True)
class Route:
    """Conventions and iteration times under which a question is asked."""

    name: str
    semantics: str | Semantics
    timing: Timing | None = None
    independent: bool = False
    """Whether prompt and output sizes are drawn independently, as the authors do."""
    slo: str | sm.SLO = "splitwise"

    def load(self, workload: str) -> sm.Workload:
        """Requests; their rate plays no role."""
        return _load(workload, self.independent)

    @property
    def question(self) -> dict[str, Any]:
        """What it settles of the arguments of `max_rate` and `provision`."""
        return {"semantics": self.semantics, "timing": self.timing, "slo": self.slo}


def label(route: Route, tier: str) -> str:
    """A route by one tier, as results name it."""
    return f"{route.name}, {tier}"


AUTHORS = Route("splitwise-sim", "splitwise-sim", independent=True)
PHYSICAL = Route("physical", "physical")
ROUTES = (AUTHORS, PHYSICAL)
PAIRS = tuple((route, tier) for route in ROUTES for tier in TIERS)
LABELS = tuple(label(route, tier) for route, tier in PAIRS)
"""Entries of `route` in results; claims are judged by the second, the authors' simulation."""


def highest_rate_rps(
    served: Served, route: Route, tier: str, runs: Mapping[str, Any] = SIMULATION
) -> float:
    """Highest rate that meets all limits [requests/s]; `runs` are those of a simulation."""
    simulation = dict(runs) if tier == "simulate" else {}
    return known(
        ["highest rate", route.name, tier, *asdict(served).values(), sorted(simulation.items())],
        lambda: sm.max_rate(
            served.cluster,
            model=served.model,
            workload=route.load(served.workload),
            tier=tier,
            **route.question,
            **simulation,
        ),
    )


def rates(clusters: Mapping[str, Served]) -> xr.DataArray:
    """Highest rates over `cluster` and `route` [requests/s]."""
    return xr.DataArray(
        [
            [highest_rate_rps(served, route, tier) for route, tier in PAIRS]
            for served in clusters.values()
        ],
        dims=("cluster", "route"),
        coords={"cluster": list(clusters), "route": list(LABELS)},
        attrs={"units": "requests/s", "long_name": "highest rate"},
    )


def best_split(
    designs: str | Sequence[str], route: Route, tier: str, workload: str = "conv", **goal: Any
) -> dict[str, Any]:
    """The best cluster of a design, or of several.

    Args:
        designs: one name, or several.
        route: conventions.
        tier: "simulate" lets simulation decide between the few best of the analytic tier.
        workload: requests.
        goal: arguments of `provision`: maximise="rate" and a budget, or minimise= and `rate_rps`.

    Returns:
        By name: design, prompt, token, machines, highest_rate_rps, cost_usd_per_hour and
        power_provisioned_w; numbers are NaN where no cluster meets the limits.
    """

    def answer() -> dict[str, Any]:
        asked = dict(goal)
        load = route.load(workload).with_rate(asked.pop("rate_rps", 1.0))
        clusters = CONFIRMED.get(route.name, 1)
        confirm = {"confirm": clusters, **SIMULATION} if tier == "simulate" else {}
        names = ["highest_rate_rps", "cost_usd_per_hour", "power_provisioned_w", "machines"]
        try:
            # The published clusters have nothing in reserve for anybody's error.
            found = sm.provision(
                load,
                model="bloom-176b",
                designs=designs,
                margin=0.0,
                **asked,
                **route.question,
                **confirm,
            )
        except sm.InfeasibleError:
            return {"design": ""} | dict.fromkeys(["prompt", "token", *names], float("nan"))
        best = found.isel(rank=0)
        values: dict[str, Any] = {"design": str(best["design"].item())}
        values |= {name: float(best[name]) for name in ["prompt", "token", *names]}
        if "simulated_highest_rate_rps" in best:
            values["highest_rate_rps"] = float(best["simulated_highest_rate_rps"])
        return values

    return known(["best split", designs, route.name, tier, workload, sorted(goal.items())], answer)


def over_routes(values: Iterable[float]) -> xr.DataArray:
    """Numbers of `PAIRS` as an array over `route`."""
    return xr.DataArray(list(values), dims="route", coords={"route": list(LABELS)})


@cache
def _load(workload: str, independent: bool) -> sm.Workload:
    return sm.Workload.azure(workload, 1.0, independent=independent)
