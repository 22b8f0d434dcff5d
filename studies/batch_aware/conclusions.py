"""Conclusions of the paper as one kind of statement.

Within a budget, a design serves a multiple of the rate of a baseline. A saving is one, too: within
less of the budget it serves as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitmodel_studies.published import BASELINES, EQUAL_COST, EQUAL_POWER, POWER_W, USD_PER_HOUR
from splitmodel_studies.routes import Route, Served, best_split, highest_rate_rps

SAVES = 0.9
"""Share of the baseline's rate that a cluster with less must serve: the tolerance of savings."""
_NEAR = np.arange(-6, 7, 3)
"""Prompt machines more or fewer than the best split has, where the best one is sought again."""


@dataclass(frozen=True)
class Conclusion:
    """A design against a baseline."""

    shown: str
    design: str
    baseline: str
    multiple: float
    """Published."""
    least: float = 1.0
    """Multiple below which it does not hold."""
    power: float | None = None
    """Power over that of 40 DGX-H100, where it is limited."""
    cost: float | None = None
    """Cost over that of 40 DGX-H100, likewise."""
    published: Served | None = None
    """Split that was published."""

    @property
    def goal(self) -> dict[str, Any]:
        """Arguments of `provision`."""
        goal: dict[str, Any] = {"maximise": "rate"}
        if self.power is not None:
            goal["budget_power_w"] = self.power * POWER_W
        if self.cost is not None:
            goal["budget_usd_per_hour"] = self.cost * USD_PER_HOUR
        return goal

    def best(self, route: Route, tier: str) -> dict[str, Any]:
        """The best split within the budget."""
        return best_split(self.design, route, tier, **self.goal)

    def ratio(self, route: Route, tier: str) -> float:
        """Rate of the best split over that of the baseline."""
        return self.best(route, tier)["highest_rate_rps"] / self.baseline_rps(route, tier)

    def published_ratio(self, route: Route, tier: str) -> float:
        """Rate of the published split over that of the baseline."""
        assert self.published is not None
        ours_rps = highest_rate_rps(self.published, route, tier)
        return ours_rps / self.baseline_rps(route, tier)

    def baseline_rps(self, route: Route, tier: str) -> float:
        """Highest rate of the baseline [requests/s]."""
        return highest_rate_rps(BASELINES[self.baseline], route, tier)

    def near(self, best: dict[str, Any]) -> Sequence[Served]:
        """Splits around the best one, each within the budget."""
        if self.power is not None:
            quantity, limit = "power_provisioned_w", self.power * POWER_W
        else:
            quantity, limit = "usd_per_hour", (self.cost or 1.0) * USD_PER_HOUR
        prompt_each, token_each = (
            float(getattr(Served(self.design, *counts).cluster, quantity))
            - float(getattr(Served(self.design, 1, 1).cluster, quantity))
            for counts in ((2, 1), (1, 2))
        )
        prompt = np.unique(np.maximum(best["prompt"] + _NEAR, 1.0))
        token = np.floor((limit * (1.0 + 1e-6) - prompt * prompt_each) / token_each)
        return [
            Served(self.design, int(first), int(second))
            for first, second in zip(prompt, token, strict=True)
            if second >= 1.0
        ]


CONCLUSIONS = {
    "aa_power": Conclusion(
        "AA: Baseline-A100\nequal power",
        "AA",
        "Baseline-A100",
        2.15,
        power=1.0,
        published=EQUAL_POWER["AA"],
    ),
    "ha_power": Conclusion(
        "HA: Baseline-H100\nequal power",
        "HA",
        "Baseline-H100",
        1.18,
        power=1.0,
        published=EQUAL_POWER["HA"],
    ),
    "aa_cost": Conclusion(
        "AA: Baseline-H100\nequal cost",
        "AA",
        "Baseline-H100",
        1.4,
        cost=1.0,
        published=EQUAL_COST["AA"],
    ),
    "hhcap_less_power": Conclusion(
        "HHcap: Baseline-H100\n25% less power", "HHcap", "Baseline-H100", 1.0, SAVES, power=0.75
    ),
    "aa_less_cost": Conclusion(
        "AA: Baseline-H100\n25% less cost", "AA", "Baseline-H100", 1.0, SAVES, cost=0.75
    ),
}
"""The paper's conclusions about whole clusters, Figures 16 to 19."""
SAME_MACHINES = Conclusion(
    "HH: Baseline-H100\nthe same machines",
    "HH",
    "Baseline-H100",
    125.0 / 117.5,
    power=1.0,
    published=EQUAL_POWER["HH"],
)
"""What splitting does alone; its multiple is that of the authors' simulator, re-run."""
