"""A queue that turns customers away: its limits, and M/M/1 with a bounded backlog."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.bounded_wait import FITTED, BoundedFit, bounded_wait
from splitmodel.queueing.shortest_queue import Delays, lengths, loss_odds, shortest_queue

pytestmark = pytest.mark.numerics

LOADS = np.array([0.3, 0.7, 0.95, 1.0, 1.3, 3.0, 10.0])
REFERENCE = 0.9
EXACT = BoundedFit(begun=0.0, least=1e-6, behind=0.0, company=0.0, company_of_few=0.0)
"""Constants of a single server without batches, whose limit is on what is left to do."""
EDGES_S = -np.log1p(-np.linspace(0.0, 1.0 - 1e-4, 201))
"""Cells of exponential service of mean 1 s."""


def exponential():
    weight = jnp.full(200, 1.0 / 200)
    return lengths(jnp.ones(()), 2.0 * jnp.ones(()), jnp.asarray(EDGES_S), weight)


def open_queue(load, servers):
    return shortest_queue(exponential(), load, load, 1.0 - load, servers, *jnp.ones(2))


def m_m_1(load, _):
    """Exactly: the chance of a delay is the load, and all of it is a backlog, exponential."""
    mean_s, none = 1.0 / (1.0 - load), jnp.zeros(())
    return Delays(load, mean_s, jnp.ones(()), residual_s=mean_s, rest_s=none, rest_s2=none)


def bounded(offered, limits_s, servers=1.0, *, queue=open_queue, fit=FITTED, work=None):
    """What becomes of sizes with these limits, the nearest last; each an array over offers."""
    limits_s = jnp.atleast_1d(jnp.asarray(limits_s, dtype=float))
    work = jnp.full(limits_s.shape, 1.0 / limits_s.size) if work is None else jnp.asarray(work)
    servers = jnp.asarray(servers, dtype=float)

    def one(offered):
        reference = jnp.minimum(offered, REFERENCE)
        likelier = loss_odds(offered, servers) / loss_odds(reference, servers)
        delays = queue(reference, servers)
        return bounded_wait(
            delays, exponential(), reference, offered, likelier, limits_s, servers, work, fit
        )

    return jax.vmap(one)(jnp.atleast_1d(jnp.asarray(offered, dtype=float)))


def exact_share(offered, limit_s):
    """Share of customers that find a backlog above the limit at an M/M/1 queue.

    Level crossing: the density of the backlog is ρ·P0·exp(−(1 − ρ)·x) up to the limit and decays
    as the service time beyond.
    """
    drift = 1.0 - offered
    below = limit_s if drift == 0.0 else -np.expm1(-drift * limit_s) / drift
    at_limit = offered * np.exp(-drift * limit_s)
    return at_limit / (1.0 + offered * below + at_limit)


@pytest.mark.parametrize("limit_s", [0.5, 2.0, 5.0, 20.0])
def test_share_elsewhere_is_that_of_m_m_1(limit_s):
    """Within 0.02 of all customers at any load, the accuracy of the odds in a real n."""
    exact = np.array([exact_share(offered, limit_s) for offered in LOADS])
    found = bounded(LOADS, limit_s, queue=m_m_1, fit=EXACT)
    np.testing.assert_allclose(found.elsewhere[:, 0], exact, atol=0.02)


@pytest.mark.parametrize("offered", [0.7, 1.0, 1.4])
def test_delays_of_those_who_stay_are_those_of_m_m_1(offered):
    """The density below the limit is exponential, falling or growing; moments to 1%."""
    limit_s = 6.0
    found = bounded(offered, limit_s, queue=m_m_1, fit=EXACT)
    times_s = np.linspace(0.0, limit_s, 20_001)
    density = np.exp(-(1.0 - offered) * times_s)
    mean_s = np.trapezoid(density * times_s, times_s) / np.trapezoid(density, times_s)
    second_s2 = np.trapezoid(density * times_s**2, times_s) / np.trapezoid(density, times_s)
    assert float(found.mean_s[0, 0]) == pytest.approx(mean_s, rel=0.01)
    assert float(found.variance_s2[0, 0]) == pytest.approx(second_s2 - mean_s**2, rel=0.02)


@pytest.mark.parametrize("servers", [1.0, 12.0])
def test_a_far_limit_is_no_limit(servers):
    """The open queue's chance and mean to 0.1%, and nobody goes elsewhere."""
    for offered in (0.2, 0.6, 0.89):
        found = bounded(offered, 1e4, servers)
        free = open_queue(jnp.asarray(offered), jnp.asarray(servers))
        np.testing.assert_allclose(found.elsewhere, 0.0, atol=1e-6)
        np.testing.assert_allclose(found.chance[0, 0], free.chance, rtol=1e-3)
        np.testing.assert_allclose(found.mean_s[0, 0], free.mean_s, rtol=1e-3)


def test_a_rest_that_no_limit_cuts_is_added_to_what_limits_leave():
    """A constant rest moves delays, one that varies adds its variance; nobody leaves for it."""

    def later(rest_s, rest_s2):
        def queue(load, servers):
            at_once = m_m_1(load, servers)
            mean_s = at_once.mean_s + rest_s
            variation = (at_once.mean_s**2 + rest_s2) / mean_s**2
            return Delays(load, mean_s, variation, *jnp.asarray([1.0, rest_s, rest_s2]))

        return bounded(LOADS, 5.0 + rest_s, queue=queue, fit=EXACT)

    none, rest = later(0.0, 0.0), later(2.0, 0.7)
    np.testing.assert_allclose(rest.elsewhere, none.elsewhere, atol=1e-5)
    np.testing.assert_allclose(rest.mean_s, none.mean_s + 2.0, rtol=1e-4)
    np.testing.assert_allclose(rest.variance_s2, none.variance_s2 + 0.7, rtol=1e-3)


@pytest.mark.parametrize("limit_s", [2.0, 20.0])
@pytest.mark.parametrize("servers", [1.0, 12.0])
def test_what_stays_is_about_what_the_servers_can_do(servers, limit_s):
    """Within a seventh: nobody is turned away by a server with an empty queue."""
    found = bounded(LOADS, limit_s, servers)
    elsewhere = np.asarray(found.elsewhere[:, 0])
    assert ((elsewhere >= 0.0) & (elsewhere < 1.0)).all()
    assert (np.diff(elsewhere) > -1e-6).all()
    assert (LOADS * (1.0 - elsewhere) < 1.0 + 1.0 / 7.0).all()
    assert (found.mean_s > 0.0).all()
    assert (found.variance_s2 > 0.0).all()


def test_overload_settles_at_the_backlog_that_small_customers_still_accept():
    """Half of an offer of 1.6 is small; the large ones leave once those fill the servers."""
    found = bounded(1.6, [30.0, 10.0], servers=40.0)
    small, large = np.asarray(found.elsewhere[0])
    assert small < 0.02
    assert large == pytest.approx(1.0 - (1.0 - 0.8) / 0.8, abs=0.15)
    assert float(found.mean_s[0, 0]) == pytest.approx(10.0, rel=0.25)


def test_a_nearer_limit_sends_more_away():
    limits_s = np.geomspace(2.0, 100.0, 16)
    found = [bounded(0.95, limit_s) for limit_s in limits_s]
    assert (np.diff([float(each.elsewhere[0, 0]) for each in found]) < 0.0).all()
    assert (np.diff([float(each.mean_s[0, 0]) for each in found]) > 0.0).all()


def test_only_sizes_with_a_near_limit_go_elsewhere():
    """The less load they take away, the longer the queue that they meet."""
    far, near = bounded(0.9, [1e3, 3.0], servers=3.0).elsewhere[0]
    assert float(near) > 0.05
    assert float(far) == pytest.approx(0.0, abs=1e-6)
    few = bounded(0.9, [1e3, 3.0], servers=3.0, work=[0.9, 0.1]).elsewhere[0, 1]
    assert float(few) > float(near)


def test_gradients_are_finite_and_point_the_right_way():
    for offered in (0.5, 1.5):
        slopes = jax.grad(
            lambda load, limit_s: bounded(load, limit_s).elsewhere[0, 0], argnums=(0, 1)
        )(jnp.asarray(offered), jnp.asarray(3.0))
        assert np.isfinite(slopes).all()
        assert float(slopes[0]) > 0.0 > float(slopes[1])


def test_the_largest_leave_where_somebody_waits():
    """However rare that is, and nobody else more often."""
    found = bounded(0.5, [20.0, 0.01], servers=20.0)
    none = bounded(0.5, [20.0, 0.01], servers=20.0, fit=FITTED._replace(behind=0.0))
    assert float(found.elsewhere[0, 1]) > 2.0 * float(none.elsewhere[0, 1]) > 0.0
    assert float(found.elsewhere[0, 0]) == pytest.approx(float(none.elsewhere[0, 0]), abs=1e-6)
    np.testing.assert_allclose(found.mean_s, none.mean_s, rtol=1e-6)
