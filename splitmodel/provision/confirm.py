"""The best few clusters again, by simulation."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from splitmodel.evaluate import Question
from splitmodel.provision.asked import Asked
from splitmodel.provision.found import Found
from splitmodel.provision.highest import highest_rates
from splitmodel.provision.max_rate import search_options, simulated_rate
from splitmodel.provision.runners_up import cheaper
from splitmodel.specs.slo import METRICS
from splitmodel.specs.workload import Workload

if TYPE_CHECKING:
    from splitmodel.simulate.sample import Sample

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
    best: Sequence[Found],
    quantity: str,
    simulation: Mapping[str, Any],
    progress: bool,
) -> Confirmed:
    """Whether clusters meet the limits at their rate.

    Where none does, larger ones are tried, the one with the least of a property first, until one
    does. Where one does, so are cheaper ones around it, the likeliest first, until as many in a
    row do not as there were at first.

    Args:
        question: what is asked of each.
        load: requests.
        found: at least one cluster.
        best: the best one of each design.
        quantity: property of `Cluster` that is minimised.
        simulation: fields of `Simulation`; by default 8 seeds and the rest as in `max_rate`.
        progress: show a bar.
    """
    with tqdm(total=len(found), unit="cluster", disable=not progress) as bar:
        runs = _Runs(question, load, simulation, bar)
        for each in found:
            runs.add(each)
        if not runs.held:
            runs.add_until_one_holds(_growing(found, quantity), FURTHER)
        improving = True
        while runs.held and improving:
            held = min(runs.held, key=lambda each: each.of(quantity))
            likely = cheaper(question, load, [held, *best], quantity, held.of(quantity))
            improving = runs.add_until_one_holds(likely, len(found))
    means = np.array([each.sample.mean for each in runs.done])
    holds = np.array([each.holds for each in runs.done], dtype=float)
    message = f"{len(runs.held)} of {len(holds)} clusters hold in simulation"
    return Confirmed(
        [_with_rate(question, load, each.found) for each in runs.done],
        {
            "holds_in_simulation": holds,
            **{f"simulated_{name}": means[:, place] for place, name in enumerate(METRICS)},
        },
        # Where none holds, the one that misses least.
        holds if holds.any() else np.array([each.room for each in runs.done]),
        message if holds.any() else f"{message}; the first one comes nearest",
    )


class _Run(NamedTuple):
    """A cluster that was simulated, and what came out."""

    found: Found
    sample: Sample
    room: float
    """Under the limits, as `Sample.room`."""

    @property
    def holds(self) -> bool:
        """Whether it meets the limits."""
        return self.room > 0.0


class _Runs:
    """Clusters that were simulated, each once."""

    def __init__(
        self, question: Question, load: Workload, simulation: Mapping[str, Any], bar: tqdm
    ):
        self._question, self._load, self._bar = question, load, bar
        self._options = {"seeds": SEEDS} | dict(simulation)
        self.done: list[_Run] = []

    @property
    def held(self) -> list[Found]:
        """Those that meet the limits."""
        return [each.found for each in self.done if each.holds]

    def add_until_one_holds(self, several: Iterable[Found], most: int) -> bool:
        """Simulate one after another, at most so many; whether one holds."""
        open_ones = (each for each in several if not self._is_decided(each))
        return any(self.add(each) for each in islice(open_ones, most))

    def _is_decided(self, found: Found) -> bool:
        """Whether it was simulated, or has no machine that a cluster that does not hold lacks."""
        return any(
            found.counts == each.found.counts or (not each.holds and found.within(each.found))
            for each in self.done
        )

    def add(self, found: Found) -> bool:
        """Simulate one more; whether it meets the limits."""
        # The compiler of this tier takes a while to import, for which the other need not wait.
        from splitmodel.simulate.sample import sample

        options = search_options(self._options, found.rate_rps)
        setting = self._question.setting(found.cluster)
        told = sample(setting, self._load.with_rate(found.rate_rps), options)
        self.done.append(_Run(found, told, told.room(self._question.slo)))
        self._bar.total = max(self._bar.total, len(self.done))
        self._bar.update()
        return self.done[-1].holds


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
    """Ever larger clusters than these: the one with the least of a property at a time."""
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
