"""The highest rate over a grid of prompt and token machines, for a figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from splitmodel.evaluate import Question
from splitmodel.provision.asked import Asked
from splitmodel.provision.budget import Budget
from splitmodel.provision.candidate import Candidate
from splitmodel.provision.highest import COARSE, highest_rates
from splitmodel.results import dataset
from splitmodel.specs.workload import Workload

_DIMS = ("map_design", "map_column", "map_row")
_LINEAR = {
    "map_cost_usd_per_hour": "usd_per_hour",
    "map_power_provisioned_w": "power_provisioned_w",
    "map_machines": "machines",
}
"""Variables that budgets limit, with the property of the cluster that each is."""


def explored(
    question: Question,
    load: Workload,
    candidates: Sequence[Candidate],
    budget: Budget,
    points: int,
) -> xr.Dataset:
    """Maps of Splitwise designs, each as far as the budget reaches.

    Args:
        question: what is asked.
        load: sizes of the requests.
        candidates: at least one, all with two pools.
        budget: its largest prompt pool and its largest token pool span the map.
        points: along each axis; they need not be whole machines.

    Returns:
        Dataset over `map_design`, `map_column` and `map_row`, the counts as coordinates.
    """
    one = np.ones(1)
    prompt = [_axis(budget.most_first(each), points) for each in candidates]
    token = [_axis(budget.most_second(each, one)[0], points) for each in candidates]
    values = {name: [] for name in ("map_highest_rate_rps", *_LINEAR)}
    for candidate, *axes in zip(candidates, prompt, token, strict=True):
        first, second = (grid.ravel() for grid in np.meshgrid(*axes, indexing="ij"))
        asked = Asked(question, load, candidate)
        values["map_highest_rate_rps"].append(highest_rates(asked, first, second, COARSE))
        for name, quantity in _LINEAR.items():
            values[name].append(np.dot(candidate.per_machine(quantity), [first, second]))
    shape = (len(candidates), points, points)
    return dataset(
        {name: np.reshape(value, shape) for name, value in values.items()},
        _DIMS,
        {
            "map_design": [each.name for each in candidates],
            "map_prompt": (("map_design", "map_column"), np.stack(prompt)),
            "map_token": (("map_design", "map_row"), np.stack(token)),
        },
    )


def _axis(most: float, points: int) -> np.ndarray:
    return np.linspace(1.0, max(most, 2.0), points)
