"""The best counts of a design.

Where prompt machines are many, not every count is tried: the search tries some evenly apart, then
again around the best, down to single machines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from splitmodel.provision.asked import Asked
from splitmodel.provision.budget import Budget
from splitmodel.provision.highest import highest_rates
from splitmodel.provision.infeasible import MANY, InfeasibleError, missed_limit

_COLUMNS = 128
"""First counts tried at once."""
_CUTS = np.arange(1, 16) / 16.0
"""Where the interval of second counts is cut at once."""
_BELOW = np.array([0.25, 0.4, 0.55, 0.7, 0.85, 1.0])
"""Shares of the rate at which limits must hold where a cluster can meet them at that rate alone:
where nearly all prompts go to token machines, they may hold again beyond a rate at which they fail.
"""


class Split(NamedTuple):
    """Counts of a cluster, and the highest rate at which they meet the limits."""

    first: float
    second: float
    highest_rate_rps: float


def fastest(asked: Asked, budget: Budget) -> Split:
    """The split with the highest rate within a budget.

    More machines are never worse, so that only the largest clusters of the budget are tried.

    Raises:
        InfeasibleError: if the budget has no room for the design, or the limits are never met.
    """
    fewest = np.array([float(asked.candidate.splits)])
    if budget.most_second(asked.candidate, fewest).item() < 1.0:
        raise InfeasibleError("not even one machine of each pool is within the budgets")
    split = _fastest(asked, budget)
    if split.highest_rate_rps == 0.0:
        raise missed_limit(asked, "the limits are not met at any rate within the budgets")
    return split


def _fastest(asked: Asked, budget: Budget) -> Split:
    def score(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        second = budget.most_second(asked.candidate, first)
        return second, -highest_rates(asked, first, second, only_best=True)

    first, second, slowest = _best_column(score, asked, budget)
    return Split(first, second, -slowest)


def cheapest(asked: Asked, quantity: str, rate_rps: float) -> Split:
    """The split that meets the limits up to a rate with the least of a property of the cluster.

    Of those with equally little, the one with the highest rate.

    Raises:
        InfeasibleError: if none meets them.
    """
    split = _cheapest(asked, quantity, np.array([rate_rps]))
    if split.highest_rate_rps < rate_rps:
        split = _cheapest(asked, quantity, _BELOW * rate_rps)
    return split


def _cheapest(asked: Asked, quantity: str, rates_rps: np.ndarray) -> Split:
    """The same for limits that are met at each of some rates."""

    def met(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        shape = np.broadcast_shapes(first.shape, second.shape)
        rates = np.multiply.outer(rates_rps, np.ones(shape))
        return (asked(first, second, rates).slo_met > 0.0).all(axis=0)

    many = 2.0 ** np.arange(np.log2(MANY) + 1.0)
    held = met(many * asked.candidate.splits, many)
    if not held.any():
        raise missed_limit(asked, f"more than {MANY:,.0f} machines in each pool are needed")
    # Equal pools that are large enough bound the search.
    enough = many[np.argmax(held)]
    of_first, of_second = asked.candidate.per_machine(quantity)
    bound = Budget({quantity: enough * (of_first + of_second)})

    def score(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        most = bound.most_second(asked.candidate, first)
        second = _least_second(met, first, most)
        return second, np.where(second > most, np.inf, of_first * first + of_second * second)

    first, second, least = _best_column(score, asked, bound)
    as_cheap = _fastest(asked, Budget({quantity: least}))
    if as_cheap.highest_rate_rps >= rates_rps[-1]:
        return as_cheap
    highest_rps = highest_rates(asked, np.array([first]), np.array([second]))
    return Split(first, second, float(highest_rps[0]))


def _best_column(
    score: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], asked: Asked, budget: Budget
) -> tuple[float, float, float]:
    """First and second count of the least score, and the score.

    Args:
        score: second counts and scores for an array of first counts.
        asked: tells the design.
        budget: bounds the counts; it has room for one machine in each pool.
    """
    low, high = float(asked.candidate.splits), budget.most_first(asked.candidate)
    while True:
        first = np.unique(np.round(np.linspace(low, high, _COLUMNS)))
        second, scores = score(first)
        best = np.argmin(scores)
        if len(first) == high - low + 1.0:
            return float(first[best]), float(second[best]), float(scores[best])
        low, high = first[max(best - 1, 0)], first[min(best + 1, len(first) - 1)]


def _least_second(
    met: Callable[[np.ndarray, np.ndarray], np.ndarray], first: np.ndarray, most: np.ndarray
) -> np.ndarray:
    """Least second count that meets the limits beside each first one; most + 1 where none does."""
    failing, enough = np.zeros_like(most), most + 1.0
    columns = np.arange(len(first))
    while (enough - failing > 1.0).any():
        tried = np.minimum(failing + np.ceil(_CUTS[:, None] * (enough - failing)), enough)
        held = met(first, np.minimum(tried, most)) | (tried == enough)
        # One past the end where none does.
        passed = np.argmax(np.append(held, np.ones((1, len(first)), bool), axis=0), axis=0)
        edges = np.vstack([failing, tried, enough])
        failing, enough = edges[passed, columns], edges[passed + 1, columns]
    return enough
