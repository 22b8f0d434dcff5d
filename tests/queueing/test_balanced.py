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


def test_with_many_servers_it_meets_nearly_one_less():
    present = jnp.asarray([3.0, 10.0, 40.0])
    met = met_share(present, present, 1000.0) * present
    np.testing.assert_allclose(met, present - 0.8, atol=0.02)


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
