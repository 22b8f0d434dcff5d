"""Requests of a run: replayed or drawn, and what is refused."""

import numpy as np
import pytest

from splitmodel.errors import InputError
from splitmodel.simulate.options import Simulation
from splitmodel.simulate.trace import trace_of
from splitmodel.specs.workload import Workload

LOAD = Workload.azure("conv", rate_rps=20.0)
TRACE = Workload.from_trace([3.0, 4.0, 4.0, 9.0], [5, 6, 7, 8], [1, 2, 3, 4])


def test_a_trace_is_replayed_in_its_order():
    trace = trace_of(TRACE, Simulation(), 0)
    np.testing.assert_array_equal(trace.arrival_s, [0.0, 1.0, 1.0, 6.0])
    np.testing.assert_array_equal(trace.prompt_tokens, [5, 6, 7, 8])
    np.testing.assert_array_equal(trace.output_tokens, [1, 2, 3, 4])


def test_another_rate_replays_faster():
    trace = trace_of(TRACE.with_rate(1.0), Simulation(), 0)
    np.testing.assert_allclose(trace.arrival_s, np.array([0.0, 1.0, 1.0, 6.0]) / 2.0)


def test_poisson_and_gamma_arrivals():
    for burstiness in (0.0, 0.5, 1.0, 3.0):
        trace = trace_of(LOAD, Simulation(duration_s=2000.0, burstiness=burstiness, seed=3), 0)
        gaps_s = np.diff(trace.arrival_s)
        assert gaps_s.mean() == pytest.approx(1.0 / 20.0, rel=0.06)
        assert gaps_s.std() / gaps_s.mean() == pytest.approx(burstiness, rel=0.06, abs=1e-6)
        assert trace.arrival_s[-1] <= 2000.0


def test_sizes_are_those_of_the_workload():
    trace = trace_of(LOAD, Simulation(seed=4, duration_s=2000.0), 0)
    for column, tokens in (("prompt", trace.prompt_tokens), ("output", trace.output_tokens)):
        assert tokens.mean() == pytest.approx(float(LOAD.mean_tokens(column)), rel=0.03)


def test_seeds_and_runs_differ_and_repeat():
    def first(seed, run):
        return trace_of(LOAD, Simulation(seed=seed), run).arrival_s[:5].tolist()

    assert first(0, 0) == first(0, 0)
    assert len({tuple(first(seed, run)) for seed in (0, 1) for run in (0, 1)}) == 4


@pytest.mark.parametrize("independent", [False, True])
def test_at_every_rate_the_same_requests_come_in_the_same_order(independent):
    load = Workload.azure("conv", rate_rps=20.0, independent=independent)
    slow = trace_of(load, Simulation(duration_s=50.0), 0)
    fast = trace_of(load.with_rate(30.0), Simulation(duration_s=50.0), 0)
    count = len(slow.arrival_s)
    assert len(fast.arrival_s) > count
    np.testing.assert_allclose(fast.arrival_s[:count], slow.arrival_s / 1.5)
    np.testing.assert_array_equal(fast.prompt_tokens[:count], slow.prompt_tokens)
    np.testing.assert_array_equal(fast.output_tokens[:count], slow.output_tokens)


def test_warm_up_and_cool_down_do_not_count():
    trace = trace_of(LOAD, Simulation(duration_s=100.0, warm_up_s=30.0, cool_down_s=20.0), 0)
    assert trace.arrival_s[trace.counted].min() >= 30.0
    assert trace.arrival_s[trace.counted].max() <= trace.arrival_s[-1] - 20.0


@pytest.mark.parametrize(
    ("load", "options", "named"),
    [
        (LOAD, {"arrivals": "replay"}, "arrivals"),
        (TRACE, {"seeds": 2}, "seeds"),
        (TRACE, {"burstiness": 2.0}, "burstiness"),
        (LOAD, {"duration_s": 10.0, "warm_up_s": 20.0}, "warm_up_s"),
        (LOAD, {"duration_s": 1e-9}, "duration_s"),
    ],
)
def test_contradictions(load, options, named):
    with pytest.raises(InputError, match=named):
        trace_of(load, Simulation(**options), 0)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"seeds": 0},
        {"duration_s": 0.0},
        {"arrivals": "uniform"},
        {"burstiness": -1.0},
        {"warm_up_s": np.inf},
        {"routing": "random"},
    ],
)
def test_bad_options(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Simulation(**options)
