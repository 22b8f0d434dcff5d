"""Tables against the timings that they stand for."""

import numba
import numpy as np
import pytest

from splitmodel.iteration.interpolated_timing import Interpolated
from splitmodel.iteration.roofline_timing import Roofline
from splitmodel.simulate import lookup
from splitmodel.simulate.tabulate import Limits, iteration_times_s, tabulate
from splitmodel.specs.cluster import Cluster


def from_python(kernel):
    return numba.njit(lambda *args: kernel(*args))


batch_time_s, run_time_s, steps_within = map(
    from_python, (lookup.batch_time_s, lookup.run_time_s, lookup.steps_within)
)
LIMITS = Limits(rows=8192, decodes=512, prompts=512, context_tokens=16384)


@pytest.fixture(scope="module", params=["roofline", "interpolated"])
def timing(request):
    return Roofline() if request.param == "roofline" else Interpolated(mixed_factor=1.1)


@pytest.fixture(scope="module")
def asked(setting, timing):
    """Tables, and the times themselves, for two kinds of instance."""
    asked = setting(Cluster.splitwise("HA", prompt=1, token=1), timing).as_arrays()
    instances = [asked.instance(pool) for _, pool in asked.pools]
    times = tabulate(timing, asked.model, instances, LIMITS)

    def exact_s(kind, **sums):
        return iteration_times_s(timing, asked.model, instances[kind], **sums)

    return times, exact_s


def test_iterations_with_prompts(asked, timing):
    """All but 1% within 0.1%, 0.005% on average; within rounding where the timing is linear."""
    times, exact_s = asked
    rng = np.random.default_rng(0)
    batches = []
    for _ in range(2000):
        prompts = np.ceil(np.exp(rng.uniform(0.0, np.log(4000), size=rng.integers(1, 4))))
        decodes = int(rng.choice([0, *rng.integers(1, 400, size=2)]))
        context = decodes * rng.uniform(10.0, 3000.0)
        batches.append((prompts.sum(), (prompts**2).sum(), len(prompts), decodes, context))
    tokens, squares, prompts, decodes, contexts = np.array(batches).T
    for kind in (0, 1):
        exact = exact_s(
            kind,
            prefill_tokens=tokens,
            query_key_pairs=0.5 * squares,
            prompts=prompts,
            decoding_requests=decodes,
            context_tokens=contexts,
        )
        found = [
            batch_time_s(times, kind, int(p), int(s), int(k), int(d), float(c))
            for p, s, k, d, c in batches
        ]
        error = np.abs(np.array(found) / exact - 1.0)
        bounds = (5e-5, 1e-3, 5e-3) if isinstance(timing, Roofline) else (1e-12, 1e-12, 1e-9)
        assert (np.array([error.mean(), np.percentile(error, 99), error.max()]) < bounds).all()
        assert error[decodes == 0].max() < bounds[1]


def test_runs_of_decode_steps(asked, timing):
    """A run is the sum of its steps, while every context grows by a token each step."""
    times, exact_s = asked
    rng = np.random.default_rng(1)
    for _ in range(20):
        decodes, steps = int(rng.integers(1, 300)), int(rng.integers(1, 900))
        context = int(decodes * rng.uniform(10.0, 7000.0))
        kind = int(rng.integers(0, 2))
        each_s = exact_s(
            kind,
            prefill_tokens=0.0,
            query_key_pairs=0.0,
            prompts=0.0,
            decoding_requests=float(decodes),
            context_tokens=context + decodes * np.arange(steps, dtype=float),
        )
        sums_s = np.concatenate([[0.0], np.cumsum(each_s)])
        total_s = run_time_s(times, kind, decodes, context, steps)
        assert total_s == pytest.approx(sums_s[-1], rel=2e-4)
        at_s = rng.uniform(0.0, total_s)
        done = steps_within(times, kind, decodes, context, steps, at_s)
        assert sums_s[done] * (1 - 2e-4) <= at_s <= sums_s[done + 1] * (1 + 2e-4)


def test_what_does_not_matter_has_one_knot(asked, timing):
    times, _ = asked
    if isinstance(timing, Interpolated):
        assert times.counts[2:].tolist() == [1, 1, 1, 1]
        assert times.counts[1] == 2
    else:
        assert (times.counts[[0, 1, 2, 3, 5]] > 1).all()
