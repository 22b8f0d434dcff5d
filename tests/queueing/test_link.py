"""Waits for links: against Pollaczek and Khinchine, and against drawn customers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.link import Wait, even_link, free_link, link_wait

pytestmark = pytest.mark.numerics

LOADS = np.array([0.3, 0.6, 0.8, 0.9])
NO_WAIT = Wait(jnp.zeros(()), jnp.zeros(()))
MANY = 1e9


def pollaczek_khinchine_s(mean_s, second_s2, load):
    return load / (1.0 - load) * second_s2 / (2.0 * mean_s)


@jax.jit
def on_free_links(mean_s, second_s2, load, links):
    return free_link(*(jnp.asarray(each, dtype=float) for each in (mean_s, second_s2, load, links)))


@jax.jit
def on_even_links(mean_s, second_s2, load, links, inside):
    given = (mean_s, second_s2, load, links, inside)
    return even_link(*(jnp.asarray(each, dtype=float) for each in given))


def added(served, out, into=NO_WAIT, senders=1.0):
    zero = jnp.zeros(())
    return jax.jit(link_wait)(served, out, into, jnp.asarray(senders, dtype=float), zero, zero)


@pytest.mark.parametrize("squared_cv", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("load", LOADS)
def test_one_link_is_pollaczek_khinchine(load, squared_cv):
    """M/D/1, M/M/1 and M/G/1: service that takes no time, and one link out, or one in."""
    mean_s, second_s2 = 0.4, 0.16 * (1.0 + squared_cv)
    exact_s = pollaczek_khinchine_s(mean_s, second_s2, load)
    out = added(NO_WAIT, on_free_links(mean_s, second_s2, load, 1.0))
    np.testing.assert_allclose(out.mean_s, exact_s, rtol=1e-5)
    into = on_even_links(mean_s, second_s2, load, 1.0, 7.0)
    alone = added(NO_WAIT, NO_WAIT, into, senders=MANY)
    np.testing.assert_allclose(alone.mean_s, exact_s, rtol=1e-5)


def drawn(load, ratio, rng, count=400_000):
    """Mean time from the end of service to the end of transfer, beyond that of a lone customer.

    One server with exponential services of mean 1, and one link at `load` that takes `ratio` of
    them, which begins with the service.
    """
    service_s = rng.exponential(size=count)
    arrival_s = np.cumsum(rng.exponential(ratio / load, size=count))
    served_s = sent_s = late_s = 0.0
    for came_s, takes_s in zip(arrival_s, service_s, strict=True):
        begun_s = max(came_s, served_s)
        served_s = begun_s + takes_s
        sent_s = max(begun_s, sent_s) + ratio * takes_s
        late_s += max(sent_s - served_s, 0.0)
    return late_s / count - max(ratio - 1.0, 0.0)


@pytest.mark.parametrize(("load", "ratio"), [(0.6, 1.3), (0.85, 1.3), (0.6, 3.0), (0.85, 3.0)])
def test_a_link_behind_a_faster_server_adds_what_it_has_more_of_a_queue(load, ratio):
    """Within 6%, as far as so many drawn customers tell."""
    served = on_free_links(1.0, 2.0, load / ratio, 1.0)
    out = on_free_links(ratio, 2.0 * ratio**2, load, 1.0)
    found_s = drawn(load, ratio, np.random.default_rng(8))
    np.testing.assert_allclose(added(served, out).mean_s, found_s, rtol=0.06)


def test_a_link_behind_a_slower_server_has_no_queue():
    served, out = on_free_links(1.0, 2.0, 0.9, 1.0), on_free_links(0.8, 1.28, 0.72, 1.0)
    assert drawn(0.72, 0.8, np.random.default_rng(8), count=50_000) == 0.0
    assert float(added(served, out).mean_s) == 0.0
    # Nor has a link behind one as fast, that has no other sender.
    assert float(added(NO_WAIT, out, into=out).mean_s) == float(out.mean_s)


@pytest.mark.parametrize("load", LOADS)
def test_receivers_are_queues_by_themselves_or_share_one(load):
    """By how many stay at them: very many, or none."""
    mean_s, second_s2, links = 0.4, 0.3, 6.0
    apart = on_even_links(mean_s, second_s2, load, links, MANY)
    np.testing.assert_allclose(
        apart.mean_s, pollaczek_khinchine_s(mean_s, second_s2, load), rtol=1e-3
    )
    shared = on_free_links(mean_s, second_s2, load, links)
    waits_s = [float(on_even_links(mean_s, second_s2, load, links, n).mean_s) for n in (0, 2, 8)]
    assert shared.mean_s <= waits_s[0] < waits_s[1] < waits_s[2] < apart.mean_s


def test_a_wait_is_hidden_or_bounded():
    wait = on_free_links(0.4, 0.32, 0.9, 1.0)
    for same in (wait.outlasting(*jnp.zeros(2)), wait.within(jnp.asarray(MANY))):
        np.testing.assert_allclose(same.mean_s, wait.mean_s, rtol=1e-5)
    # M/M/1: of those who wait, exponential with mean 4 s, a share is left after 2 s.
    for shown in (0.0, 0.4, 1.0):
        left = wait.outlasting(jnp.asarray(2.0), jnp.asarray(shown))
        expected = shown + (1.0 - shown) * np.exp(-0.5)
        np.testing.assert_allclose(left.mean_s, expected * wait.mean_s, rtol=1e-5)
    full = on_free_links(0.4, 0.32, 0.999, 1.0)
    assert float(full.within(jnp.asarray(2.0)).mean_s) < 2.0
    nothing = NO_WAIT.within(jnp.zeros(()))
    assert float(nothing.mean_s) == float(nothing.variance_s2) == 0.0


def test_gradients_are_finite_where_nothing_moves():
    def mean_s(takes_s):
        link = free_link(takes_s, takes_s**2, takes_s, jnp.asarray(3.0))
        into = even_link(takes_s, takes_s**2, takes_s, jnp.asarray(2.0), jnp.asarray(5.0))
        room_s = 100.0 * takes_s
        wait = link_wait(
            NO_WAIT, link.within(room_s), into.within(room_s), *map(jnp.asarray, (3.0, 0.1, 0.3))
        )
        return wait.mean_s + wait.variance_s2

    for takes_s in (0.0, 1e-6, 0.5):
        assert np.isfinite(jax.jit(jax.grad(mean_s))(jnp.asarray(takes_s)))


def test_the_only_receiver_of_nothing_lets_nobody_wait():
    nothing = jnp.asarray(0.0)
    found = even_link(jnp.asarray(1.0), jnp.asarray(2.0), nothing, jnp.asarray(1.0), nothing)
    assert float(found.mean_s) == pytest.approx(0.0, abs=1e-9)
    assert float(found.second_s2) == pytest.approx(0.0, abs=1e-9)
