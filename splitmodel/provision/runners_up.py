"""Clusters next to the best splits: the candidates that simulation decides between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from splitmodel.evaluate import Question
from splitmodel.provision.asked import Asked
from splitmodel.provision.budget import Budget
from splitmodel.provision.found import Found
from splitmodel.provision.highest import highest_rates
from splitmodel.provision.search import Split
from splitmodel.specs.workload import Workload

REACH = 2
"""Machines more or fewer in either pool."""
_FARTHER = 4
"""The same where clusters are sought that the analytic tier passes over."""
_PLAUSIBLE = 0.88
"""Of the rate asked for, that a cluster should reach analytically to be simulated at all: what that
tier is off by at most on nearly all clusters (docs/validation.md)."""


def cheapest_few(
    question: Question,
    load: Workload,
    found: Sequence[Found],
    quantity: str,
    count: int,
) -> list[Found]:
    """The clusters with the least of a property that meet the limits, best first.

    Args:
        question: what is asked of each.
        load: sizes of the requests.
        found: the best split of each design, and the rate at which limits are to be met.
        quantity: property of `Cluster`.
        count: of clusters at most.

    Returns:
        Of those with equally little, the one with the highest rate comes first.
    """
    near = []
    for best in found:
        asked = Asked(question, load, best.candidate)
        first, second = _neighbours(best, REACH)
        highest_rps = highest_rates(asked, first, second)
        own = (first == best.split.first) & (second == best.split.second)
        held = own | (highest_rps >= best.rate_rps)
        first, second, highest_rps = first[held], second[held], highest_rps[held]
        near += _found(best, first, second, highest_rps, best.rate_rps)
    return sorted(near, key=lambda each: (each.of(quantity), -each.split.highest_rate_rps))[:count]


def fastest_few(
    question: Question, load: Workload, found: Sequence[Found], budget: Budget, count: int
) -> list[Found]:
    """The clusters with the highest rates within a budget, best first; arguments likewise."""
    near = []
    for best in found:
        first = _around(best.split.first, REACH) if best.candidate.splits else np.zeros(1)
        second = budget.most_second(best.candidate, first)
        first, second = first[second >= 1.0], second[second >= 1.0]
        highest_rps = highest_rates(Asked(question, load, best.candidate), first, second)
        near += _found(best, first, second, highest_rps, highest_rps)
    return sorted(near, key=lambda each: -each.split.highest_rate_rps)[:count]


def cheaper(
    question: Question, load: Workload, found: Sequence[Found], quantity: str, below: float
) -> list[Found]:
    """Clusters around some with less of a property that may yet hold, the likeliest first.

    Args:
        question: what is asked of each.
        load: sizes of the requests.
        found: clusters.
        quantity: property of `Cluster`.
        below: what they have less of.
    """
    near = {}
    for centre in found:
        first, second = _neighbours(centre, _FARTHER)
        of_first, of_second = centre.candidate.per_machine(quantity)
        # Not those of equal cost, in spite of rounding.
        less = of_first * first + of_second * second < (1.0 - 1e-6) * below
        first, second = first[less], second[less]
        if not first.size:
            continue
        highest_rps = highest_rates(Asked(question, load, centre.candidate), first, second)
        likely = highest_rps >= _PLAUSIBLE * centre.rate_rps
        first, second, highest_rps = (each[likely] for each in (first, second, highest_rps))
        few = _found(centre, first, second, highest_rps, centre.rate_rps)
        near |= {each.counts: each for each in few}
    return sorted(near.values(), key=lambda each: -each.split.highest_rate_rps)


def _neighbours(centre: Found, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second counts of a cluster and those around it, each of shape [clusters]."""
    first = _around(centre.split.first, reach) if centre.candidate.splits else [0.0]
    counts = np.meshgrid(first, _around(centre.split.second, reach))
    return counts[0].ravel(), counts[1].ravel()


def _around(machines: float, reach: int) -> np.ndarray:
    near = machines + np.arange(-reach, reach + 1.0)
    return near[near >= 1.0]


def _found(
    best: Found,
    first: np.ndarray,
    second: np.ndarray,
    highest_rps: np.ndarray,
    rate_rps: float | np.ndarray,
) -> list[Found]:
    rows = np.broadcast_arrays(first, second, highest_rps, rate_rps)
    return [
        Found(best.candidate, Split(*map(float, split)), float(rate))
        for *split, rate in zip(*rows, strict=True)
        if rate > 0.0
    ]
