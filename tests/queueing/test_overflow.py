"""What finds all places taken, against sums over Poisson numbers."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import poisson

from splitmodel.queueing.overflow import overflow_share

pytestmark = pytest.mark.numerics


def share(offered, variance, places):
    return float(overflow_share(*(jnp.asarray(float(v)) for v in (offered, variance, places))))


@pytest.mark.parametrize("offered", [100, 400, 2000])
@pytest.mark.parametrize("deviations", [-3.0, -1.0, 0.0, 1.0, 2.0])
def test_against_a_poisson_sum(offered, deviations):
    """Within 0.0005 of what is offered; within 5% up to one deviation of spare places."""
    places = round(offered + deviations * offered**0.5)
    numbers = np.arange(places + 1, 3 * offered)
    exact = ((numbers - places) * poisson.pmf(numbers, offered)).sum() / offered
    found = share(offered, offered, places)
    assert found == pytest.approx(exact, abs=5e-4)
    if deviations <= 1.0:
        assert found == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("places", [350, 400, 420])
def test_requests_of_unequal_size(places):
    """A third takes two places and the others half a place, one on average: variance 1.5 each."""
    offered = 400
    small, large = (np.arange(top) for top in (800, 400))
    taken = 0.5 * small[:, None] + 2.0 * large
    chance = poisson.pmf(small, offered * 2 / 3)[:, None] * poisson.pmf(large, offered / 3)
    exact = (np.maximum(taken - places, 0.0) * chance).sum() / offered
    assert share(offered, 1.5 * offered, places) == pytest.approx(exact, abs=5e-4)


def test_limits():
    assert share(100.0, 100.0, 1e6) == 0.0
    assert share(100.0, 100.0, 0.0) == pytest.approx(1.0, rel=1e-6)
    assert share(100.0, 0.0, 80.0) == pytest.approx(0.2, rel=1e-4)
    assert share(0.0, 0.0, 10.0) == 0.0
