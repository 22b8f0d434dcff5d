"""Delays of two and three moments, against numerical integration of their tails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from splitmodel.queueing.delay import delay_from_moments, even_variance_s2, mean_tail, skewed_delay

pytestmark = pytest.mark.numerics

VARIATIONS = [0.05, 0.5, 0.99, 1.0, 1.01, 2.0, 6.0]
"""Coefficients of variation on both sides of the exponential's."""


def fitted(mean_s, cv):
    return delay_from_moments(jnp.asarray(mean_s), jnp.asarray((cv * mean_s) ** 2))


def tail(delay):
    """P(delay > t) as the class defines it, in plain Python."""
    shift_s, chance, scale_s = (float(leaf) for leaf in jax.tree.leaves(delay))
    return lambda t: chance * np.exp(-(t - shift_s) / scale_s) if t > shift_s else 1.0


@pytest.mark.parametrize("mean_s", [3e-3, 40.0])
@pytest.mark.parametrize("cv", VARIATIONS)
def test_mean_and_variance_are_reproduced(mean_s, cv):
    delay = fitted(mean_s, cv)
    beyond = tail(delay)
    start_s = float(delay.shift_s)
    end_s = start_s + 60.0 * float(delay.scale_s)
    mean = start_s + quad(beyond, start_s, end_s)[0]
    second = start_s**2 + quad(lambda t: 2.0 * t * beyond(t), start_s, end_s)[0]
    assert mean == pytest.approx(mean_s, rel=1e-5)
    assert second - mean**2 == pytest.approx((cv * mean_s) ** 2, rel=1e-3)  # of float32 at cv 0.05
    assert 0.0 < float(delay.chance) <= 1.0
    assert start_s >= 0.0


@pytest.mark.parametrize("cv", [0.05, 0.3, 0.5, 0.55, 0.6, 0.75, 0.9, 0.99, 1.0, 1.5])
def test_even_part_and_the_rest_begin_at_zero_or_later(cv):
    """Together they have the variance; just beyond 0.5, the even part first reaches zero."""
    mean_s = 2.0
    variance_s2 = jnp.asarray((cv * mean_s) ** 2)
    even_s2 = even_variance_s2(jnp.asarray(mean_s), variance_s2)
    assert 0.0 <= float(even_s2) <= (1.0 - min(cv, 1.0)) * float(variance_s2) * (1.0 + 1e-6)
    start_s = delay_from_moments(jnp.asarray(mean_s), variance_s2 - even_s2).shift_s
    begins_s = float(start_s - jnp.sqrt(3.0 * even_s2))
    assert begins_s >= -1e-3 * mean_s
    if 0.55 <= cv < 1.0:
        assert begins_s == pytest.approx(0.0, abs=1e-3 * mean_s)


@pytest.mark.parametrize("chance", [0.02, 0.1, 0.3, 0.6, 0.9, 1.0])
def test_three_moments_are_reproduced(chance):
    """Of a delay of that chance, beyond a shift."""
    scale_s, shift_s = 0.5, 1.0
    variance_s2 = chance * (2.0 - chance) * scale_s**2
    third_s3 = (6.0 * chance - 6.0 * chance**2 + 2.0 * chance**3) * scale_s**3
    mean_s = shift_s + chance * scale_s
    found, even_s2 = skewed_delay(*map(jnp.asarray, (mean_s, variance_s2, third_s3)))
    assert float(found.mean_s) == pytest.approx(mean_s, rel=1e-5)
    assert float(found.variance_s2 + even_s2) == pytest.approx(variance_s2, rel=1e-4)
    found_s3 = (6.0 - 6.0 * found.chance + 2.0 * found.chance**2) * found.chance * found.scale_s**3
    assert float(found_s3) == pytest.approx(third_s3, rel=0.08)
    most_s2 = even_variance_s2(jnp.asarray(mean_s), jnp.asarray(variance_s2))
    assert float(even_s2) == pytest.approx(0.5 * float(most_s2), rel=1e-3)


@pytest.mark.parametrize("cv", [0.2, 0.6, 0.95, 1.5, 4.0])
@pytest.mark.parametrize("skewness", [0.0, 0.5, 1.5, 3.0, 20.0])
def test_mean_and_variance_are_those_of_any_third_moment(cv, skewness):
    """With the even part, and nothing begins before zero."""
    mean_s, variance_s2 = 2.0, (2.0 * cv) ** 2
    third_s3 = skewness * variance_s2**1.5
    found, even_s2 = skewed_delay(*map(jnp.asarray, (mean_s, variance_s2, third_s3)))
    assert float(found.mean_s) == pytest.approx(mean_s, rel=1e-4)
    assert float(found.variance_s2 + even_s2) == pytest.approx(variance_s2, rel=1e-4)
    assert float(found.shift_s - jnp.sqrt(3.0 * even_s2)) >= -1e-3 * mean_s
    if skewness == 0.0:
        assert float(even_s2) == pytest.approx(
            float(even_variance_s2(jnp.asarray(mean_s), jnp.asarray(variance_s2))), abs=1e-6
        )


@pytest.mark.parametrize("cv", [0.5, 2.0])
def test_mean_tail(cv):
    delay = fitted(2.0, cv)
    for low_s, high_s in ((-3.0, 0.5), (-1.0, 1.5), (0.2, 7.0), (4.0, 9.0)):
        area_s = quad(tail(delay), low_s, high_s, points=[float(delay.shift_s)])[0]
        middle = (0.5 * (low_s + high_s) - delay.shift_s) / delay.scale_s
        mean = float(mean_tail(middle, 0.5 * (high_s - low_s) / delay.scale_s, delay.chance))
        assert mean == pytest.approx(area_s / (high_s - low_s), rel=1e-5)


def test_the_two_forms_meet_where_the_coefficient_of_variation_is_one():
    below, above = (jax.tree.leaves(fitted(2.0, cv)) for cv in (1.0 - 1e-4, 1.0 + 1e-4))
    np.testing.assert_allclose(below, above, atol=1e-3)
    np.testing.assert_allclose(below, [0.0, 1.0, 2.0], atol=1e-3)


def test_no_delay_is_finite_and_negligible():
    delay = delay_from_moments(jnp.zeros(2), jnp.asarray([0.0, 1.0]))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(delay))
    mean_s = delay.shift_s + delay.chance * delay.scale_s
    np.testing.assert_allclose(mean_s, 1e-7, rtol=1e-5)


def test_a_delay_that_does_not_vary_begins_at_its_mean():
    assert float(fitted(25.0, 0.0).shift_s) == pytest.approx(25.0, abs=1e-3)
