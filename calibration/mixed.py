"""Constants of token machines that prompts visit, fitted to simulations of clusters.

Run as `python -m splitmodel_calibration.mixed`; it takes some minutes. Clusters with a mixed pool
are drawn as for `splitmodel validate`, by another seed, at loads near the highest rate that the
paper's SLOs allow. Visits, decodes and times are taken from the simulation, so that only what
follows from them is judged: how many decode together, how many a visit meets, how far the same ones
are met in a row, and how many come while a prompt is there. Of every two clusters the first is
fitted to, the second one judges. Constants go by hand, rounded, into
`splitmodel.cluster.mixed_machines` and `splitmodel.queueing.latch`, if the errors of `splitmodel
validate` are no larger with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from splitmodel.cluster.make_case import make_case
from splitmodel.cluster.mixed_machines import FITTED, Decoding, Fits, Visitors, mixed_machines
from splitmodel.cluster.sizes import Sizes
from splitmodel.cluster.splitwise import OFTEN
from splitmodel.provision.max_rate import max_rate
from splitmodel.queueing.batch_level import unevenness
from splitmodel.simulate.options import COUNTED, steady
from splitmodel.simulate.run import Outcome, run_all
from splitmodel.specs.leaves import as_arrays
from splitmodel.validation.clusters import Case, case
from splitmodel_calibration.halves import fit_halves

CLUSTERS, SEED, RUNS = 2000, 17, 2
REQUESTS, LEAST_S = 30_000, 400.0
"""Of a run, and its least duration [s]."""
_NEAR = (0.8, 1.05)
"""Of the highest rate by the approximation."""
_SEEN = 100
"""Visits, in all runs, below which a cluster tells nothing."""
_LEAST = {"company": 0.0, "met": 0.3, "begun": 0.1, "coming": 1e-3}
"""What is added to both sides of a ratio: less of it hardly matters."""
_WIDTH = 0.3
"""Error, as a logarithm, from which on it counts linearly."""
_KEPT = 1.0
"""Weight of a constant's distance from what ships, as a logarithm."""


class Pool(NamedTuple):
    """Token machines as a simulation has them; leaves gain an axis over clusters."""

    sizes: Sizes
    visitors: Visitors
    decoding: Decoding

    def found(self, fits: Fits) -> Found:
        """What the approximation says."""
        mixed = mixed_machines(self.sizes, self.visitors, self.decoding, fits)
        batch = self.decoding.batch * self.decoding.servers / mixed.left
        company = batch + unevenness(mixed.left, self.sizes.resident_spread)
        company = jnp.clip(company, 1.0, self.decoding.most)
        return Found(company, mixed.met, mixed.begun, mixed.coming)


class Found(NamedTuple):
    """What visits do, simulated or not."""

    company: Any
    """Requests that decode together, itself included, as one that decodes has it."""
    met: Any
    """Decodes that a visiting prompt meets."""
    begun: Any
    """Of them, those that are not met in a row with others by the same decode."""
    coming: Any
    """Share of all decodes that come while a prompt is there."""


def draw(index: int) -> tuple[Pool, Found] | None:
    """A cluster of the space, and its simulation; None where hardly any prompt visits."""
    drawn, rng = case(SEED, index), np.random.default_rng([SEED, index, 2])
    if not drawn.mixed_pool or min(drawn.prompt, drawn.token) == 0:
        return None
    highest_rps = max_rate(
        drawn.cluster, model=drawn.model, workload=drawn.load, semantics=drawn.semantics
    )
    if highest_rps == 0.0:
        return None
    rate_rps = highest_rps * rng.uniform(*_NEAR)
    duration_s = max(LEAST_S, REQUESTS / rate_rps)
    seen = run_all(
        drawn.question.setting(drawn.cluster),
        drawn.load.with_rate(rate_rps),
        steady(duration_s=duration_s, seeds=RUNS),
        partial(_seen, drawn=drawn, duration_s=duration_s),
        False,
    )
    total = _summed(seen)
    if total["visits"] < _SEEN or total["met"] < _SEEN:
        return None
    time_s = RUNS * (COUNTED[1] - COUNTED[0]) * duration_s
    pool = _pool(drawn, total, time_s)
    found = Found(
        total["together_s"] / total["decoded_s"],
        total["met"] / total["visits"],
        total["met"] / total["visits"] / _in_a_row(total),
        total["coming"] / total["decodes"],
    )
    return pool, found


def _in_a_row(total: dict[str, float]) -> float:
    """Visits in a row that vary as much as those that decodes meet, if their number is geometric.

    Over decodes with n visits in N steps, whose mean is n = r N, the squared deviations add up to
    2k − 1 times the visits if k come in a row.
    """
    per_step = total["met"] / total["steps"]
    squares = total["met2"] - 2.0 * per_step * total["met_steps"] + per_step**2 * total["steps2"]
    return max(0.5 * (1.0 + squares / total["met"]), 1.0)


def _pool(drawn: Case, total: dict[str, float], time_s: float) -> Pool:
    """What the approximation is given, out of sums over runs that take this time."""
    question = drawn.question
    given, _, _ = make_case(
        *as_arrays((drawn.cluster, drawn.load)),
        question.model,
        slo=None,
        timing=question.timing,
        semantics=question.semantics,
        stack=question.stack,
        reference=question.reference,
    )
    most = given.batch_limit(given.instance(given.cluster.token))
    early_s = min(total["ahead_s"] / total["stayed"], total["visited_s"] / total["visits"])
    return as_arrays(
        Pool(
            given.sizes,
            Visitors(
                total["visits"] / time_s,
                total["visited_s"] / time_s,
                early_s * total["visits"] / time_s,
            ),
            Decoding(
                min(total["decoded_s"] / time_s / drawn.token, most),
                total["decoded_s"] / total["steps"],
                drawn.token,
                most,
                -np.expm1(-total["moved_s"] / time_s / OFTEN),
            ),
        )
    )


def _seen(outcome: Outcome, drawn: Case, duration_s: float) -> dict[str, float]:
    """Sums over a run of what happens to the requests that count."""
    requests, counted = outcome.requests, outcome.trace.counted
    visiting = counted & (requests["prompt_server"] >= drawn.prompt)
    staying = counted & (requests["prompt_server"] < drawn.prompt)
    decodes = requests["output_tokens"] > 1
    moved = decodes & (requests["token_server"] < drawn.prompt)
    came_s = np.maximum(requests["prefill_end_s"], requests["sent_s"])
    stays_s = requests["end_s"] - requests["decode_start_s"]
    ahead_s = requests["prefill_end_s"] - requests["arrival_s"]
    visited_s = requests["prefill_end_s"] - requests["prefill_start_s"]
    of_prompts = {
        "visits": visiting.sum(),
        "visited_s": visited_s[visiting].sum(),
        "stayed": staying.sum(),
        "ahead_s": ahead_s[staying].sum(),
        "moved_s": stays_s[counted & moved].sum(),
    }
    of_servers = []
    for server in range(drawn.prompt, drawn.prompt + drawn.token):
        there = decodes & (requests["token_server"] == server)
        visit = requests["prompt_server"] == server
        start_s, end_s = (requests[name][there] for name in ("decode_start_s", "end_s"))
        begins_s, ends_s = (requests[name][visit] for name in ("prefill_start_s", "prefill_end_s"))
        own, order = counted[there], np.argsort(begins_s)
        # The last one stands for no visit so far.
        begins_s, ends_s = begins_s[order], np.append(ends_s[order], 0.0)
        # A decode takes part in an iteration that begins once it is there.
        first, after = (np.searchsorted(begins_s, each, side="left") for each in (start_s, end_s))
        met = (after - first)[own].astype(float)
        steps = (requests["output_tokens"][there][own] - 1).astype(float)
        # Its own prompt does not count.
        other = requests["prompt_server"][there] != server
        last = np.searchsorted(begins_s, came_s[there], side="right") - 1
        of_decodes = {
            "decodes": own.sum(),
            "steps": steps.sum(),
            "decoded_s": (end_s - start_s)[own].sum(),
            "together_s": _together_s(start_s, end_s)[own].sum(),
            "met": met.sum(),
            "met2": (met**2).sum(),
            "met_steps": (met * steps).sum(),
            "steps2": (steps**2).sum(),
            "coming": (other & (came_s[there] < ends_s[last]))[own].sum(),
        }
        of_servers.append(of_decodes)
    return of_prompts | _summed(of_servers)


def _summed(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def _together_s(start_s: np.ndarray, end_s: np.ndarray) -> np.ndarray:
    """Time that each of several spends there, times the number there, itself included [s]."""
    times_s = np.concatenate([start_s, end_s])
    order = np.argsort(times_s, kind="stable")
    number = np.cumsum(np.repeat([1.0, -1.0], start_s.size)[order])
    area_s = np.concatenate([[0.0], np.cumsum(number[:-1] * np.diff(times_s[order]))])
    return np.interp(end_s, times_s[order], area_s) - np.interp(start_s, times_s[order], area_s)


@jax.jit
def errors(fits: Fits, pools: Pool, simulated: Found) -> dict[str, jax.Array]:
    """Errors by name, as logarithms, [clusters]."""
    found = jax.vmap(lambda pool: pool.found(fits))(pools)
    return {
        name: jnp.log((getattr(found, name) + least) / (getattr(simulated, name) + least))
        for name, least in _LEAST.items()
    }


def main() -> None:
    """Fit to every other cluster, and tell the errors on both halves."""
    drawn = [draw(index) for index in tqdm(range(CLUSTERS), unit="cluster")]
    drawn = [each for each in drawn if each is not None]
    weights = {name: (1.0, _WIDTH) for name in _LEAST}
    fit_halves(drawn, FITTED, errors, weights, _KEPT, "clusters")


if __name__ == "__main__":
    main()
