"""The best split of every design as one ranked table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from splitmodel.evaluate import Question
from splitmodel.provision.candidate import CHUNK, Candidate
from splitmodel.provision.search import Split
from splitmodel.results import dataset
from splitmodel.specs.workload import Workload
from splitmodel.sweep.axes import axis_attrs
from splitmodel.sweep.engine import Group, run_rows
from splitmodel.variables import VARIABLES

_COMPARED = {
    "rate": "highest_rate_rps",
    "cost": "cost_usd_per_hour",
    "power": "power_provisioned_w",
}
"""Variables of which the ratio to those of the baselines is given."""


class Found(NamedTuple):
    """The best split of a candidate, and the rate at which its metrics are wanted."""

    candidate: Candidate
    split: Split
    rate_rps: float

    @property
    def group(self) -> Group:
        """The one configuration."""
        split = self.split
        row = (np.array([each]) for each in (split.first, split.second, self.rate_rps))
        return Group(self.candidate.cluster, self.candidate.rows(*row))


def ranked(
    question: Question,
    load: Workload,
    found: Sequence[Found],
    least: str | None,
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Every metric of the best splits over `rank`, the best first.

    Args:
        question: what is asked of each.
        load: sizes of the requests.
        found: at least one, in any order.
        least: variable whose least value leads; among equals, and without it, the highest rate.
        attrs: provenance.

    Returns:
        Dataset with designs, counts and rates as coordinates of `rank`.
    """
    groups = [each.group for each in found]
    metrics = run_rows(question, load, groups, chunk=CHUNK, quick=True)
    values = {name: getattr(metrics, name) for name in type(metrics).__dataclass_fields__}
    values["highest_rate_rps"] = np.array([each.split.highest_rate_rps for each in found])
    names = [each.candidate.name for each in found]
    for index, name in enumerate(names):
        suffix = f"_vs_{name.lower().replace('-', '_')}"
        compared = {short + suffix: long for short, long in _COMPARED.items()}
        # The two baselines of the paper are in the nomenclature.
        if compared.keys() <= VARIABLES.keys():
            values |= {ratio: values[own] / values[own][index] for ratio, own in compared.items()}
    prompt, token, _, rate_rps = np.hstack([group.rows for group in groups])
    coords = {
        "design": names,
        "prompt": prompt.astype(int),
        "token": token.astype(int),
        "rate_rps": rate_rps,
    }
    table = dataset(
        values,
        ("rank",),
        {name: xr.Variable("rank", each, axis_attrs(name)) for name, each in coords.items()},
        attrs,
    )
    keys = [-values["highest_rate_rps"], *([values[least]] if least else [])]
    return table.isel(rank=np.lexsort(keys)).assign_coords(rank=np.arange(1, len(found) + 1))
