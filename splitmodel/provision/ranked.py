"""The best split of every design as one ranked table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr

from splitmodel.evaluate import Question
from splitmodel.provision.asked import Asked
from splitmodel.provision.found import Found
from splitmodel.results import dataset
from splitmodel.specs.workload import Workload
from splitmodel.sweep.axes import axis_attrs
from splitmodel.variables import VARIABLES

_COMPARED = {
    "rate": "highest_rate_rps",
    "cost": "cost_usd_per_hour",
    "power": "power_provisioned_w",
}
"""Variables of which the ratio to those of the baselines is given."""


def ranked(
    question: Question,
    load: Workload,
    found: Sequence[Found],
    least: str | None,
    attrs: Mapping[str, Any],
    told: Mapping[str, Any] | None = None,
    lead: np.ndarray | None = None,
) -> xr.Dataset:
    """Every metric of splits over `rank`, the best first.

    Args:
        question: what is asked of each.
        load: sizes of the requests.
        found: at least one, in any order.
        least: variable whose least value leads; among equals, and without it, the highest rate.
        attrs: provenance.
        told: further variables, an entry for each of `found`.
        lead: what comes before all else, the greatest first, shape [found].

    Returns:
        Dataset with designs, counts and rates as coordinates of `rank`.
    """
    each_metrics = [
        Asked(question, load, each.candidate)(*each.split[:2], each.rate_rps, percentiles=True)
        for each in found
    ]
    metrics = jax.tree.map(lambda *leaves: np.stack(leaves), *each_metrics)
    values = {name: getattr(metrics, name) for name in type(metrics).__dataclass_fields__}
    values["highest_rate_rps"] = np.array([each.split.highest_rate_rps for each in found])
    values |= told or {}
    keys = [-values["highest_rate_rps"], *([values[least]] if least else [])]
    order = np.lexsort(keys if lead is None else [*keys, -lead])
    names = [each.candidate.name for each in found]
    for name in set(names):
        best = next(row for row in order if names[row] == name)
        suffix = f"_vs_{name.lower().replace('-', '_')}"
        compared = {short + suffix: long for short, long in _COMPARED.items()}
        # The two baselines of the paper are in the nomenclature.
        if compared.keys() <= VARIABLES.keys():
            values |= {ratio: values[own] / values[own][best] for ratio, own in compared.items()}
    prompt, token, _, rate_rps = np.stack([each.row for each in found], axis=1)
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
    return table.isel(rank=order).assign_coords(rank=np.arange(1, len(found) + 1))
