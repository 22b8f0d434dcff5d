"""Requests of one run: replayed from a trace, or drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from splitmodel.errors import InputError
from splitmodel.simulate.options import Simulation
from splitmodel.specs.workload import Workload

REQUESTS = 10_000
"""Requests of a run whose duration is not given: a hundred of them lie beyond the P99."""


class Trace(NamedTuple):
    """Requests in the order of arrival."""

    arrival_s: Float[ndarray, " requests"]
    prompt_tokens: Int[ndarray, " requests"]
    output_tokens: Int[ndarray, " requests"]
    counted: Bool[ndarray, " requests"]
    """Whether results count it: neither warm-up nor cool-down."""


def replays(load: Workload, options: Simulation) -> bool:
    """Whether a run replays recorded arrivals.

    Raises:
        InputError: if there are none to replay, or what is asked for needs random ones.
    """
    recorded = load.source.value.arrival_s is not None
    if options.arrivals == "replay" and not recorded:
        raise InputError("arrivals: there are none to replay; use Workload.from_trace, or a file")
    replayed = recorded and options.arrivals != "random"
    if replayed and (options.seeds > 1 or options.duration_s or options.burstiness != 1.0):
        raise InputError(
            "seeds, duration_s, burstiness: a replayed trace leaves nothing to draw; "
            'ask for arrivals="random"'
        )
    return replayed


def trace_of(load: Workload, options: Simulation, run: int) -> Trace:
    """Requests of a run; `run` counts from 0.

    Raises:
        InputError: for options that contradict the workload, or leave no request to count.
    """
    requests = load.source.value
    rate_rps = float(np.asarray(load.rate_rps))
    if replays(load, options) and requests.arrival_s is not None:
        scale = (requests.recorded_rps or rate_rps) / rate_rps
        arrival_s = requests.arrival_s * (1.0 if np.isclose(scale, 1.0, rtol=1e-12) else scale)
        sizes = requests.prompt_tokens, requests.output_tokens
    else:
        # Streams of their own, so that at every rate the same requests come in the same order.
        gaps, draws = np.random.default_rng([options.seed, run]).spawn(2)
        arrival_s = _arrivals_s(rate_rps, options, gaps)
        sizes = requests.sample(len(arrival_s), draws)
    prompts, outputs = (np.rint(column).astype(np.int64) for column in sizes)
    counted = (arrival_s >= options.warm_up_s) & (
        arrival_s <= arrival_s[-1:].max(initial=0.0) - options.cool_down_s
    )
    if not counted.any():
        raise InputError(
            "duration_s, warm_up_s, cool_down_s: no request is left to count among "
            f"{len(arrival_s)} in {arrival_s[-1:].max(initial=0.0):g} s"
        )
    return Trace(np.ascontiguousarray(arrival_s), prompts, outputs, counted)


def _arrivals_s(
    rate_rps: float, options: Simulation, rng: np.random.Generator
) -> Float[ndarray, " requests"]:
    """Arrivals at random gaps within the duration [s]."""
    duration_s = options.duration_s or REQUESTS / rate_rps
    variation = options.burstiness**2
    arrivals_s = np.empty(0)
    last_s = 0.0
    while last_s <= duration_s:
        # A few more than are expected, so that one round nearly always does.
        count = int(1.1 * (duration_s - last_s) * rate_rps * max(variation, 1.0)) + 100
        if variation == 0.0:
            gaps_s = np.full(count, 1.0 / rate_rps)
        else:
            gaps_s = rng.gamma(1.0 / variation, variation / rate_rps, size=count)
        arrivals_s = np.concatenate([arrivals_s, last_s + np.cumsum(gaps_s)])
        last_s = arrivals_s[-1]
    return arrivals_s[arrivals_s <= duration_s]
