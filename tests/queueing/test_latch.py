"""A number that latches at its top: nothing tries, much leaves, and large deviations of Poisson."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import poisson

from splitmodel.queueing.latch import latched_share, poisson_rate
from splitmodel.specs.leaves import as_arrays

pytestmark = pytest.mark.numerics


def share(tries_rps=1.0, mean=2.0, top=10.0, leaves_rps=0.0):
    return float(latched_share(*as_arrays((tries_rps, mean, top, leaves_rps))))


def test_nothing_tries_or_all_leave_at_once():
    assert share(tries_rps=0.0) == 0.0
    assert share(mean=2.0, leaves_rps=1e6) < 1e-6


def test_a_mean_beyond_the_top_latches_and_one_far_below_does_not():
    assert share(mean=30.0) > 0.99
    assert share(mean=0.1, top=30.0) < 1e-6
    shares = [share(mean=mean) for mean in np.linspace(0.1, 20.0, 50)]
    assert (np.diff(shares) >= 0.0).all()


@pytest.mark.parametrize("mean", [1.0, 10.0, 100.0])
def test_rate_function_bounds_the_tail_of_a_poisson_variable_and_is_its_limit(mean):
    """Chernoff's bound, which is exact in the limit of many but for what is no exponential."""
    numbers = np.ceil(mean * np.array([1.2, 1.5, 2.0, 3.0]))
    logs = -poisson.logsf(numbers - 1.0, mean)
    rates = np.asarray(poisson_rate(jnp.asarray(mean), jnp.asarray(numbers)))
    assert (rates <= logs * (1.0 + 1e-5)).all()
    # What is left grows as the logarithm of the number, Stirling's.
    assert (logs - rates <= 1.0 + 0.5 * np.log(2.0 * np.pi * numbers)).all()


@pytest.mark.parametrize(("tries_rps", "mean", "top"), [(0.0, 0.0, 0.0), (1e6, 1e9, 1e4)])
def test_extremes_stay_finite(tries_rps, mean, top):
    assert np.isfinite(share(tries_rps, mean, top))
    slope = jax.grad(latched_share, argnums=(1, 2))(tries_rps, mean, top, 0.0)
    assert np.isfinite(slope).all()
