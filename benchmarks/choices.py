"""Whether `provision` picks well: its choices against simulation of the clusters around them.

    python benchmarks/choices.py [problems] [confirm …]

Problems are combinations of model, workload, semantics, what is minimised and the rate. A pick
holds if it meets the nine limits in simulation at 97% of the rate asked for, and is tight if none
of the clusters within four machines of it in either pool meets them for less than the pick by more
than 2% or one machine. Simulations here draw other requests than those by which `provision`
confirms. Prints a line for each problem, with and without `confirm`; exit code 1 if a pick that was
confirmed the most is not both.
"""

import sys
import time
from itertools import product
from typing import Any

import numpy as np

import splitmodel as sm
from splitmodel.evaluate import Question
from splitmodel.provision.asked import Asked
from splitmodel.provision.candidate import Candidate
from splitmodel.provision.highest import highest_rates
from splitmodel.provision.max_rate import search_options
from splitmodel.provision.provision import MINIMISED
from splitmodel.simulate.sample import sample
from splitmodel.specs.design import cluster_of
from splitmodel.validation.clusters import question_of

RATES_RPS = (20.0, 45.0, 70.0)
LEAST = 0.97
"""Of the rate, at which a pick must hold."""
REACH = 4
SLACK = 0.02
PLAUSIBLE = 0.7
"""Of the rate asked for: a cluster whose analytic rate is below that is taken not to hold."""
SEED, SEEDS = 1000, 8


def problems() -> list[dict[str, Any]]:
    """Every combination, in an order of which each part has something of everything."""
    combined: list[dict[str, Any]] = [
        {"model": model, "workload": workload, "semantics": semantics, "minimise": minimise}
        for model, workload, semantics, minimise in product(
            ("bloom-176b", "llama2-70b"), ("conv", "code"), ("physical", "splitwise-sim"), MINIMISED
        )
    ]
    for number, each in enumerate(combined):
        each["rate_rps"] = RATES_RPS[(number + number // len(MINIMISED)) % len(RATES_RPS)]
    order = np.random.default_rng(0).permutation(len(combined))
    return [combined[number] for number in order]


class Judge:
    """Simulates clusters of one problem, each once."""

    def __init__(self, question: Question, load: sm.Workload, candidate: Candidate):
        self._question, self._load, self._candidate = question, load, candidate
        self._known: dict[tuple[float, float, float], bool] = {}

    def holds(self, first: float, second: float, share: float = 1.0) -> bool:
        """Whether limits hold at a share of the rate."""
        key = (first, second, share)
        if key not in self._known:
            rate_rps = share * float(self._load.rate_rps)
            options = search_options({"seed": SEED, "seeds": SEEDS}, rate_rps)
            row = self._candidate.rows(first, second, None)
            setting = self._question.setting(row.of(self._candidate.cluster))
            told = sample(setting, self._load.with_rate(rate_rps), options)
            self._known[key] = told.room(self._question.slo) > 0.0
        return self._known[key]

    def cheapest(self, first: float, second: float, quantity: str) -> float:
        """Least of a property among clusters around one that hold, at most its own."""
        of_first, of_second = self._candidate.per_machine(quantity)
        near = np.arange(-REACH, REACH + 1.0)
        firsts, seconds = np.meshgrid(
            first + near if self._candidate.splits else 0.0, second + near
        )
        cost = of_first * firsts + of_second * seconds
        least = of_first * first + of_second * second
        cheaper = (cost < least) & (seconds >= 1.0) & (firsts >= self._candidate.splits)
        firsts, seconds, cost = firsts[cheaper], seconds[cheaper], cost[cheaper]
        asked = Asked(self._question, self._load, self._candidate)
        rates = highest_rates(asked, firsts, seconds) / float(self._load.rate_rps)
        failed: list[tuple[float, float]] = []
        for row in np.argsort(-rates):
            own = float(firsts[row]), float(seconds[row])
            beaten = any(own[0] <= other[0] and own[1] <= other[1] for other in failed)
            if rates[row] < PLAUSIBLE or cost[row] >= least or beaten:
                continue
            if self.holds(*own):
                least = float(cost[row])
            else:
                failed.append(own)
        return least


def judged(problem: dict[str, Any], confirm: int) -> tuple[str, bool]:
    """A line about a pick, and whether it is good."""
    asked = {name: problem[name] for name in ("model", "semantics")}
    load = sm.Workload.azure(str(problem["workload"]), rate_rps=problem["rate_rps"])
    minimise = str(problem["minimise"])
    begun = time.perf_counter()
    picked = sm.provision(load, minimise=minimise, confirm=confirm, **asked).isel(rank=0)
    taken_s = time.perf_counter() - begun
    name = str(picked.design.item())
    candidate = Candidate(name, cluster_of(name))
    first = float(picked.prompt) if candidate.splits else 0.0
    second = float(picked.token) if candidate.splits else float(picked.machines)
    judge = Judge(question_of(name, **asked), load, candidate)
    quantity = MINIMISED[minimise][0]
    holds = judge.holds(first, second, LEAST)
    of_each = np.array(candidate.per_machine(quantity))
    own = float(of_each @ (first, second))
    least = judge.cheapest(first, second, quantity)
    tight = own - least <= max(SLACK * least, of_each.max()) * (1.0 + 1e-9)
    told = f"{name} {first:g}+{second:g}"
    return (
        f"{problem['model']:>10} {problem['workload']} {problem['semantics']:>13} "
        f"{problem['rate_rps']:3g} rps least {minimise:8} confirm={confirm}: {told:20} "
        f"{'holds' if holds else 'FAILS'}, {own / least - 1.0:+6.1%} over the cheapest"
        f"{'' if tight else ' NOT TIGHT'}, {taken_s:.1f} s",
        holds and tight,
    )


def main(count: int, confirms: list[int]) -> int:
    good = dict.fromkeys(confirms, 0)
    chosen = problems()[:count]
    for problem in chosen:
        for confirm in confirms:
            line, right = judged(problem, confirm)
            good[confirm] += right
            print(line, flush=True)
    for confirm, right in good.items():
        print(f"confirm={confirm}: {right} of {len(chosen)} picks hold and are tight")
    return int(good[max(confirms)] < len(chosen))


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    sys.exit(main(given[0] if given else 24, given[1:] or [0, 5]))
