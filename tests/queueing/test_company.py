"""Company in a batch: none where there cannot be any, more for small customers among many."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.company import company

pytestmark = pytest.mark.numerics

WEIGHT, SIZES = np.array([0.5, 0.3, 0.2]), np.array([1.0, 3.0, 8.0])


def delays_s(chance=0.5, servers=20.0, most=8.0, fixed_s=0.2, sizes=SIZES):
    given = (jnp.asarray(each, dtype=float) for each in (WEIGHT, sizes, most, sizes, fixed_s))
    chance, servers = (jnp.asarray(each, dtype=float) for each in (chance, servers))
    return np.asarray(company(*given).delay_s(chance, servers))


def test_small_customers_have_more():
    small, middle, large = delays_s()
    assert small > middle > large == 0.0  # the largest one fills a batch
    assert small < 3.0  # services of mean size


@pytest.mark.parametrize(
    "none",
    [
        {"servers": 1.0},
        {"servers": 0.3},  # counts as one
        {"most": 1.0},  # a batch of one
        {"fixed_s": 9.0},  # a batch takes as long whoever is in it
    ],
)
def test_where_there_is_none(none):
    np.testing.assert_allclose(delays_s(**none), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("servers", (1.0, 2.0, 5.0, 50.0)),
        ("chance", (0.0, 0.1, 0.5, 1.0)),
        ("most", (2.0, 4.0, 16.0, 64.0)),
        ("fixed_s", (2.5, 1.0, 0.5, 0.0)),
    ],
)
def test_more_of_any_means_more(name, values):
    smallest = [delays_s(**{name: value})[0] for value in values]
    assert (np.diff(smallest) > 0.0).all()


def test_scales_with_time_alone():
    thrice = delays_s(sizes=3.0 * SIZES, most=24.0, fixed_s=0.6)
    np.testing.assert_allclose(thrice, 3.0 * delays_s(), rtol=1e-6)


def test_derivatives_are_finite_where_nobody_waits():
    def total(chance, servers):
        given = (jnp.asarray(each, dtype=float) for each in (WEIGHT, SIZES, 8.0, SIZES, 0.2))
        return company(*given).delay_s(chance, servers).sum()

    for chance in (0.0, 1.0):
        slopes = jax.grad(total, (0, 1))(jnp.asarray(chance), jnp.asarray(1.0))
        assert np.isfinite(slopes).all()
