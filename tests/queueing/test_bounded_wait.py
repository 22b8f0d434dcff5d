"""A queue that turns customers away: its limits, and M/M/1 with a bounded backlog."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.bounded_wait import bounded_wait
from splitmodel.queueing.shortest_queue import lengths, shortest_queue

pytestmark = pytest.mark.numerics

LOADS = np.array([0.3, 0.7, 0.95, 1.0, 1.3, 3.0, 10.0])


EDGES_S = -np.log1p(-np.linspace(0.0, 1.0 - 1e-4, 201))
"""Cells of exponential service of mean 1 s."""


def exponential():
    weight = jnp.full(200, 1.0 / 200)
    return lengths(jnp.ones(()), 2.0 * jnp.ones(()), jnp.asarray(EDGES_S), weight)


def open_queue(load, servers):
    slack = jnp.maximum(1.0 - load, 1e-3)
    servers = jnp.asarray(servers, dtype=float)
    return shortest_queue(exponential(), load, 1.0 - slack, slack, servers)


@jax.jit
def bounded(offered, limit_s, servers=1.0):
    """Share elsewhere and moments of the wait; one size of customer as far as limits go."""

    def one(offered, limit_s):
        shares, _, (mean_s, second_s2) = bounded_wait(
            lambda elsewhere, _: open_queue(offered * (1.0 - elsewhere), servers),
            lambda _: exponential(),
            1.0 - 0.999 / jnp.maximum(offered, 0.999),
            limit_s * jnp.ones(1),
            jnp.asarray(servers, dtype=float),
            jnp.ones(1),
            jnp.ones(1),
        )
        return jnp.stack([shares[0], mean_s, second_s2])

    offered, limit_s = jnp.broadcast_arrays(jnp.asarray(offered, dtype=float), limit_s * 1.0)
    return jnp.vectorize(one, signature="(),()->(k)")(offered, limit_s).T


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
    found = jax.vmap(lambda load: open_queue(load, servers))(offered)
    open_mean_s, open_second_s2 = found.moments
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
    """Within 0.12 of all customers: here the limit acts only where others wait."""
    exact = np.array([exact_share(offered, limit_s) for offered in LOADS])
    elsewhere, _, _ = np.asarray(bounded(LOADS, limit_s))
    np.testing.assert_allclose(elsewhere, exact, atol=0.12)
    assert abs(elsewhere[-1] - exact[-1]) < 0.02


def test_a_nearer_limit_sends_more_away():
    limits_s = np.geomspace(2.0, 100.0, 16)
    elsewhere, mean_s, _ = np.asarray(bounded(np.full(16, 0.95), limits_s))
    assert (np.diff(elsewhere) < 0.0).all()
    assert (np.diff(mean_s) > 0.0).all()


def test_only_sizes_with_a_near_limit_go_elsewhere():
    """Their load is less than their number where they are the short ones."""

    def shares(load):
        return bounded_wait(
            lambda elsewhere, _: open_queue(0.9 * (1.0 - elsewhere), 3.0),
            lambda _: exponential(),
            jnp.zeros(()),
            jnp.asarray([1.0, 1e3]),
            jnp.asarray(3.0),
            jnp.asarray([0.5, 0.5]),
            jnp.asarray(load),
        )[0]

    near, far = shares([0.5, 0.5])
    assert float(near) > 0.05
    assert float(far) == pytest.approx(0.0, abs=1e-6)
    # The less load they take away, the longer the queue that they meet.
    assert float(shares([0.1, 0.9])[0]) > float(near)


def test_gradients_are_finite_and_point_the_right_way():
    for offered in (0.5, 1.5):
        slopes = jax.grad(lambda load, limit_s: bounded(load, limit_s)[0], argnums=(0, 1))(
            jnp.asarray(offered), jnp.asarray(3.0)
        )
        assert np.isfinite(slopes).all()
        assert float(slopes[0]) > 0.0 > float(slopes[1])
