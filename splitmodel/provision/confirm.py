"""The best few clusters again, by simulation."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from splitmodel.evaluate import Question
from splitmodel.provision.candidate import Asked
from splitmodel.provision.found import Found
from splitmodel.provision.highest import highest_rates
from splitmodel.provision.max_rate import search_options, simulated_rate
from splitmodel.specs.slo import METRICS
from splitmodel.specs.workload import Workload

SEEDS = 8
"""Runs of each cluster, unless another number is asked for."""
FURTHER = 20
"""Larger clusters that are tried at most where none of the best few holds."""
_STEP = 0.01
"""Machines that are added at a time, as a share of all; at least one."""


class Confirmed(NamedTuple):
    """What simulation says about some clusters."""

    found: Sequence[Found]
    values: Mapping[str, np.ndarray]
    """Variables of the nomenclature, one entry per cluster."""
    lead: np.ndarray
    """The greatest comes first."""
    message: str


def confirm_limits(
    question: Question,
    load: Workload,
    found: Sequence[Found],
    quantity: str,
    simulation: Mapping[str, Any],
    progress: bool,
) -> Confirmed:
    """Whether clusters meet the limits at their rate.

    Where none does, larger ones are tried, the one with the least of a property first, until one
    does.

    Args:
        question: what is asked of each.
        load: requests.
        found: at least one cluster.
        quantity: property of `Cluster` that is minimised.
        simulation: fields of `Simulation`; by default 8 seeds and the rest as in `max_rate`.
        progress: show a bar.
    """
    # The compiler of this tier takes a while to import, for which the other need not wait.
    from splitmodel.simulate.sample import sample

    simulated, samples, holds, room = [], [], [], []
    with tqdm(total=len(found), unit="cluster", disable=not progress) as bar:
        for each in _growing(found, quantity):
            tried = len(simulated)
            if tried >= len(found) and (any(holds) or tried == len(found) + FURTHER):
                break
            options = search_options({"seeds": SEEDS} | dict(simulation), each.rate_rps)
            setting = question.setting(each.cluster)
            samples.append(sample(setting, load.with_rate(each.rate_rps), options))
            simulated.append(each)
            room.append(samples[-1].room(question.slo))
            holds.append(room[-1] > 0.0)
            bar.total = max(bar.total, len(simulated))
            bar.update()
    means = np.array([each.mean for each in samples])
    message = f"{sum(holds)} of {len(simulated)} clusters hold in simulation"
    return Confirmed(
        [_with_rate(question, load, each) for each in simulated],
        {
            "holds_in_simulation": np.array(holds, dtype=float),
            **{f"simulated_{name}": means[:, place] for place, name in enumerate(METRICS)},
        },
        # Where none holds, the one that misses least.
        np.array(holds if any(holds) else room, dtype=float),
        message if any(holds) else f"{message}; the first one comes nearest",
    )


def _with_rate(question: Question, load: Workload, each: Found) -> Found:
    """The same with its highest rate, where that is not known."""
    if not np.isnan(each.split.highest_rate_rps):
        return each
    first, second = (np.array([machines]) for machines in each.split[:2])
    highest_rps = highest_rates(Asked(question, load, each.candidate), first, second)
    return each._replace(split=each.split._replace(highest_rate_rps=float(highest_rps[0])))


def confirm_rates(
    question: Question,
    load: Workload,
    found: Sequence[Found],
    simulation: Mapping[str, Any],
    progress: bool,
) -> Confirmed:
    """Highest rates of clusters; arguments as in `confirm_limits`."""
    rates = [
        simulated_rate(question, each.cluster, load, each.split.highest_rate_rps, simulation)
        for each in tqdm(found, unit="cluster", disable=not progress)
    ]
    highest_rps = np.array(rates)
    return Confirmed(
        found,
        {"simulated_highest_rate_rps": highest_rps},
        highest_rps,
        f"{len(found)} clusters ranked by simulation",
    )


def _growing(found: Sequence[Found], quantity: str) -> Iterator[Found]:
    """Clusters, then ever larger ones: the one with the least of a property at a time."""
    yield from found
    seen = {each.counts for each in found}
    turn = count()
    waiting = []

    def grow(each: Found) -> None:
        for larger in each.larger(max(1.0, np.floor(_STEP * each.cluster.machines))):
            if larger.counts not in seen:
                seen.add(larger.counts)
                heapq.heappush(waiting, (larger.of(quantity), next(turn), larger))

    for each in found:
        grow(each)
    while waiting:
        *_, least = heapq.heappop(waiting)
        yield least
        grow(least)
