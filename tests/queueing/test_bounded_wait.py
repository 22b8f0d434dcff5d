"""A queue that turns customers away: its limits, and M/M/1 with a bounded backlog."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.bounded_wait import bounded_wait
from splitmodel.queueing.multi_server import wait_moments

pytestmark = pytest.mark.numerics

LOADS = np.array([0.3, 0.7, 0.95, 1.0, 1.3, 3.0, 10.0])


@jax.jit
def bounded(offered, limit_s, servers=1.0):
    """Share elsewhere and moments of the wait for exponential service of mean 1 s."""
    offered = jnp.asarray(offered, dtype=float)
    one = jnp.ones_like(offered)
    return jnp.stack(bounded_wait(one, 2.0 * one, offered, servers, limit_s * one, 0.5))


def exact_share(offered, limit_s):
    """Share of customers that find a backlog above the limit at an M/M/1 queue.

    Level crossing: the density of the backlog is ρ·P0·exp(−(1 − ρ)·x) up to the limit and decays
    as the service time beyond.
    """
    drift = 1.0 - offered
    below = limit_s if drift == 0.0 else -np.expm1(-drift * limit_s) / drift
    at_limit = offered * np.exp(-drift * limit_s)
    return at_limit / (1.0 + offered * below + at_limit)


@pytest.mark.parametrize("servers", [1.0, 12.0])
def test_a_far_limit_is_no_limit(servers):
    """The open queue's moments to 0.01%, and nobody goes elsewhere."""
    offered = jnp.asarray([0.2, 0.6, 0.9])
    elsewhere, mean_s, second_s2 = bounded(offered, 1e4, servers)
    open_mean_s, open_second_s2 = wait_moments(1.0, 2.0, offered, 1.0 - offered, servers, 0.5)
    np.testing.assert_allclose(elsewhere, 0.0, atol=1e-6)
    np.testing.assert_allclose(mean_s, open_mean_s, rtol=1e-4)
    np.testing.assert_allclose(second_s2, open_second_s2, rtol=1e-4)


@pytest.mark.parametrize("limit_s", [0.2, 2.0, 20.0])
@pytest.mark.parametrize("servers", [1.0, 12.0])
def test_what_stays_is_less_than_the_servers_can_do(servers, limit_s):
    elsewhere, mean_s, second_s2 = np.asarray(bounded(LOADS, limit_s, servers))
    assert ((elsewhere >= 0.0) & (elsewhere < 1.0)).all()
    assert (LOADS * (1.0 - elsewhere) < 1.0).all()
    assert (np.diff(elsewhere) > 0.0).all()
    assert ((mean_s >= 0.0) & (mean_s < limit_s)).all()
    assert (second_s2 >= mean_s**2).all()
    assert (second_s2 <= limit_s * mean_s * (1.0 + 1e-5)).all()  # no wait beyond the limit


@pytest.mark.parametrize("limit_s", [0.5, 2.0, 5.0, 20.0])
def test_share_elsewhere_against_m_m_1(limit_s):
    """Within 0.12 of all customers, rather too many than too few; far above load 1 within 0.02."""
    exact = np.array([exact_share(offered, limit_s) for offered in LOADS])
    elsewhere, _, _ = np.asarray(bounded(LOADS, limit_s))
    np.testing.assert_allclose(elsewhere, exact, atol=0.12)
    assert (elsewhere >= exact - 2e-3).all()
    assert abs(elsewhere[-1] - exact[-1]) < 0.02


def test_a_nearer_limit_sends_more_away():
    limits_s = np.geomspace(0.1, 100.0, 16)
    elsewhere, mean_s, _ = np.asarray(bounded(np.full(16, 0.95), limits_s))
    assert (np.diff(elsewhere) < 0.0).all()
    assert (np.diff(mean_s) > 0.0).all()


def test_gradients_are_finite_and_point_the_right_way():
    for offered in (0.5, 1.5):
        slopes = jax.grad(lambda load, limit_s: bounded(load, limit_s)[0], argnums=(0, 1))(
            jnp.asarray(offered), jnp.asarray(3.0)
        )
        assert np.isfinite(slopes).all()
        assert float(slopes[0]) > 0.0 > float(slopes[1])
