"""The search for the highest rate, on means that are known in closed form."""

from dataclasses import replace

import numpy as np
import pytest
from linear_timing import Linear

from splitmodel.simulate import highest_rate as search
from splitmodel.simulate.options import Simulation, steady
from splitmodel.simulate.sample import MOST_ROOM, Sample
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.slo import METRICS, SLO
from splitmodel.specs.workload import Workload

LOAD = Workload.azure("conv", rate_rps=1.0)
LIMITS = SLO(ttft_s={99: 2.0}, tbt_s={50: 0.5})


def sampled(ttft_s: float, tbt_s: float = 0.1, stable: bool = True) -> Sample:
    percentiles = np.ones((2, len(METRICS), 3))
    percentiles[:, 0, 2] = 0.5 * ttft_s, 1.5 * ttft_s
    percentiles[:, 1, 0] = tbt_s
    return Sample(percentiles, stable)


@pytest.fixture
def highest(monkeypatch, setting):
    """Searches where the P99 of the time to first token is a function of the rate."""

    def run(ttft_s, guess_rps: float) -> tuple[float, list[float]]:
        tried = []

        def sample(asked, load, options):
            tried.append(float(load.rate_rps))
            return ttft_s(tried[-1])

        monkeypatch.setattr(search, "sample", sample)
        asked = replace(setting(Cluster.baseline("A100", machines=1), Linear()), slo=LIMITS)
        return search.highest_rate(asked, LOAD, Simulation(), guess_rps), tried

    return run


def queue(rate_rps: float) -> Sample:
    """Reaches the limit of 2 s at 7.5 requests/s."""
    return sampled(0.5 / (1.0 - 0.1 * rate_rps) if rate_rps < 10.0 else np.inf)


@pytest.mark.parametrize("guess_rps", [0.8, 5.0, 7.5, 9.0, 80.0])
def test_the_crossing_is_found_from_any_guess(highest, guess_rps):
    rate_rps, tried = highest(queue, guess_rps)
    assert rate_rps == pytest.approx(7.5, rel=0.004)
    if guess_rps > 4.0 and guess_rps < 10.0:
        assert len(tried) < 12


def test_it_is_the_first_crossing_from_below(highest):
    rate_rps, _ = highest(lambda rate: sampled(3.0 if 5.0 < rate < 6.0 else 1.0), 6.5)
    assert rate_rps == pytest.approx(5.0, rel=0.005)


def test_where_nothing_holds_it_is_zero(highest):
    assert highest(lambda rate: sampled(3.0), 5.0)[0] == 0.0


def test_an_unstable_cluster_fails_whatever_the_limits(highest):
    rate_rps, _ = highest(lambda rate: sampled(1e-9, 1e-9, stable=rate < 7.0), 5.0)
    assert rate_rps == pytest.approx(7.0, rel=0.004)


def test_the_room_is_that_of_the_tightest_mean():
    assert sampled(1.0, 0.1).room(LIMITS) == pytest.approx(np.log(2.0))
    assert sampled(1.0, 0.4).room(LIMITS) == pytest.approx(np.log(1.25))
    assert sampled(1.0, 0.6).room(LIMITS) == pytest.approx(np.log(0.5 / 0.6))
    assert sampled(np.inf).room(LIMITS) == -MOST_ROOM
    assert sampled(1.0).room(SLO()) == MOST_ROOM


def test_the_middle_of_a_run_counts():
    options = steady(duration_s=100.0, seed=3, warm_up_s=40.0)
    assert (options.warm_up_s, options.seed, options.arrivals) == (40.0, 3, "random")
    assert options.cool_down_s == pytest.approx(10.0)
    assert steady(duration_s=100.0).warm_up_s == pytest.approx(25.0)
