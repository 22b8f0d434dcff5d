"""What finds all places taken, against sums over Poisson numbers and against simulation."""

import heapq

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import poisson

from splitmodel.queueing.overflow import blocked_shares, overflow_share

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


def blocked(size, weight, offered, spread, places, servers):
    given = (size, weight, offered, spread, places, servers)
    return tuple(map(float, blocked_shares(*(jnp.asarray(each, dtype=float) for each in given))))


@pytest.mark.parametrize("load", [0.8, 0.9, 1.0, 1.3])
def test_one_server_of_equal_requests_is_that_of_erlang(load):
    places = 200
    numbers = np.arange(places + 1)
    chance = poisson.pmf(numbers, load * places)
    exact = chance[-1] / chance.sum()
    of_requests, of_places = blocked([1.0], [1.0], load * places, 1.0, places, 1.0)
    assert of_requests == of_places == pytest.approx(exact, rel=0.2, abs=1e-6)


def simulated(sizes, offered, places, servers, arrivals=60_000):
    """Share of requests that do not fit the emptiest server."""
    rng = np.random.default_rng(0)
    gap = sizes.mean() / offered
    taken, ends, lost, now = [0.0] * servers, [], 0, 0.0
    drawn = rng.choice(sizes, arrivals)
    for wait, stay, size in zip(*rng.exponential(size=(2, arrivals)), drawn, strict=True):
        now += gap * wait
        while ends and ends[0][0] < now:
            _, server, freed = heapq.heappop(ends)
            taken[server] -= freed
        server = min(range(servers), key=taken.__getitem__)
        if taken[server] + size > places / servers:
            lost += 1
            continue
        taken[server] += size
        heapq.heappush(ends, (now + stay, server, size))
    return lost / arrivals


@pytest.mark.parametrize(("servers", "load"), [(3, 0.85), (6, 0.9), (20, 0.95)])
def test_large_requests_find_no_server_sooner_than_all_places_are_taken(servers, load):
    """Lognormal sizes: shares far above those of places that need not be on one server."""
    normal = np.random.default_rng(1).standard_normal(400)
    sizes = np.exp(0.5 * normal)
    places = 30.0 * servers * sizes.mean()
    spread = (sizes**2).mean() / sizes.mean()
    offered = load * places
    exact = simulated(sizes, offered, places, servers)
    of_requests, of_places = blocked(sizes, np.full(400, 1 / 400), offered, spread, places, servers)
    assert of_requests == pytest.approx(exact, rel=0.4)
    assert of_places > of_requests > 1.5 * share(offered, offered * spread, places)


def test_more_is_blocked_the_more_is_offered():
    size, weight = np.array([0.5, 1.0, 3.0]), np.array([0.5, 0.3, 0.2])
    found = np.array([blocked(size, weight, each, 1.4, 100.0, 5.0) for each in np.arange(20, 300)])
    assert (np.diff(found, axis=0) >= -1e-5).all()
    assert found[0] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert (found[-1] > 0.6).all()
