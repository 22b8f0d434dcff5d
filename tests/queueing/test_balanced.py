"""Whom a new customer meets: one server, many servers, few customers."""

import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.balanced import met_share

pytestmark = pytest.mark.numerics


def test_with_one_server_it_meets_the_time_average():
    """Arrivals see time averages; within 10% where chance blurs the number."""
    present = jnp.asarray([1.0, 5.0, 30.0])
    np.testing.assert_allclose(met_share(present, present, 1.0), 1.0, rtol=0.1)


def test_of_two_servers_it_meets_half_rounded_down():
    """Of a Poisson number over both; within 15% where chance blurs the number."""
    present = np.array([1.0, 2.0, 4.0, 20.0])
    half = present - 0.25 * (1.0 - np.exp(-4.0 * present))
    met = met_share(jnp.asarray(present), jnp.asarray(present), 2.0) * present
    np.testing.assert_allclose(met, half, rtol=0.15)
    assert float(met[-1]) == pytest.approx(half[-1], rel=0.01)


def test_with_many_servers_numbers_are_neighbours():
    """Servers have m or m + 1, and a new one meets m − 1 or m, as often as m leave place for it."""
    share = jnp.linspace(0.0, 1.0, 101)
    for least in (2.0, 5.0, 20.0):
        present = least + share
        exact = least * (least - 1.0 + 2.0 * share) / (least + share)
        met = met_share(present, present, 1e5) * present
        assert float(jnp.mean(met)) == pytest.approx(float(jnp.mean(exact)), abs=0.02)
        assert float(jnp.max(jnp.abs(met - exact))) < 0.2 / least


def test_few_customers_leave_an_idle_server():
    assert float(met_share(0.5, 0.5, 100.0)) < 1e-3
    # With fewer servers it happens more often that none is idle.
    shares = met_share(0.5, 0.5, jnp.asarray([1.0, 2.0, 4.0, 16.0]))
    assert (np.diff(shares) < 0.0).all()


def test_more_present_means_more_met():
    present = jnp.linspace(0.01, 20.0, 300)
    met = met_share(present, present, 12.0) * present
    assert (np.diff(met) > 0.0).all()


def test_an_empty_cluster_has_finite_shares():
    assert np.isfinite(met_share(0.0, 0.0, jnp.asarray([0.1, 1.0, 1e4]))).all()


def test_few_free_servers_let_the_number_met_vary():
    """Where hardly any server is free, the positive part of a wide number is more than its mean."""
    free = jnp.asarray([1.0, 0.5, 0.1])
    assert (np.diff(met_share(1.0, 1.0, 10.0, free)) > 0.0).all()
