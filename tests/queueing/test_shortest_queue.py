"""The shortest of n queues with batches: its limits, where others' formulas are exact."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.company import company
from splitmodel.queueing.shortest_queue import (
    Sharing,
    busy_chance,
    cycle_batch,
    cycle_delay_s,
    lengths,
    shortest_queue,
    shortest_residual,
)

pytestmark = pytest.mark.numerics

CELLS = 400
LOADS = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def exponential():
    """Exponential lengths of mean 1 s in cells of equal probability."""
    edges_s = -np.log1p(-np.linspace(0.0, 1.0 - 1e-4, CELLS + 1))
    return service(1.0, 2.0, edges_s)


def constant():
    return service(1.0, 1.0, np.ones(CELLS + 1))


def service(mean_s, second_s2, edges_s):
    weight = jnp.full(CELLS, 1.0 / CELLS)
    return lengths(jnp.asarray(mean_s), jnp.asarray(second_s2), jnp.asarray(edges_s), weight)


SHARING = Sharing(pair=jnp.asarray(0.7), most=jnp.asarray(6.0))


@jax.jit
def delays(service, load, packed, servers):
    servers = jnp.asarray(servers, dtype=float)
    cycle_s = cycle_delay_s(service.mean_s, load, packed, SHARING)
    return shortest_queue(service, load, packed, 1.0 - packed, servers, cycle_s, SHARING.pair)


def at_loads(service, packing=1.0, servers=1.0):
    loads = jnp.asarray(LOADS)
    return jax.vmap(lambda load: delays(service, load, packing * load, servers))(loads)


def erlang_c(servers, load):
    offered, blocked = servers * load, 1.0
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    return blocked / (1.0 - load * (1.0 - blocked))


@pytest.mark.parametrize("make", [exponential, constant])
def test_one_server_without_batches_is_pollaczek_khinchine(make):
    """Chance of a delay within 6% and its mean within 3%, the accuracy of the real n."""
    found = at_loads(make())
    exact_s = 0.5 * make().second_s2 / (1.0 - LOADS)
    np.testing.assert_allclose(found.chance, LOADS, rtol=0.06)
    np.testing.assert_allclose(found.mean_s, exact_s, rtol=0.03)


@pytest.mark.parametrize("servers", [2, 10, 50])
def test_many_servers_are_busy_less_often_than_with_one_queue(servers):
    """Erlang C is the bound; at least 0.6 of it remain where delays are common."""
    found = at_loads(exponential(), servers=servers).chance
    exact = np.array([erlang_c(servers, load) for load in LOADS])
    possible = exact > 1e-9
    assert (np.asarray(found)[possible] <= exact[possible] * 1.02).all()
    common = exact > 0.2
    assert (np.asarray(found)[common] > 0.6 * exact[common]).all()


def test_the_shortest_rest_is_the_least_of_many_residual_lives():
    """Against samples of what an inspector meets; one server has the residual life itself."""
    rng = np.random.default_rng(4)
    for servers in (1, 3, 12):
        least_s = rng.gamma(2.0, size=(40_000, servers)).min(axis=1)
        mean_s, variation = shortest_residual(exponential(), jnp.asarray(float(servers)))
        rest_s = least_s * rng.uniform(size=least_s.size)
        assert float(mean_s) == pytest.approx(rest_s.mean(), rel=0.03)
        assert float(variation) == pytest.approx(rest_s.var() / rest_s.mean() ** 2, rel=0.06)


@pytest.mark.parametrize("servers", [1.0, 8.0, 60.0])
def test_fuller_batches_mean_less_delay(servers):
    alone, packed = (at_loads(constant(), packing, servers) for packing in (1.0, 0.5))
    assert (packed.chance <= alone.chance).all()
    assert (packed.mean_s <= alone.mean_s).all()
    # Loads beyond those that could be served one by one are finite as long as batches serve them.
    beyond = delays(constant(), jnp.asarray(1.4), jnp.asarray(0.7), servers)
    assert 0.0 < float(beyond.chance) < 1.0
    assert np.isfinite(beyond.mean_s)


def test_delays_grow_with_the_load_and_shrink_with_servers():
    loads = jnp.linspace(0.02, 0.999, 200)
    found = jax.vmap(lambda load: delays(exponential(), load, 0.9 * load, 7.0))(loads)
    mean_s = found.chance * found.mean_s
    second_s2 = mean_s * found.mean_s * (1.0 + found.variation)
    assert (np.diff(found.chance) > 0.0).all()
    assert (np.diff(mean_s) > 0.0).all()
    assert (second_s2 > mean_s**2).all()
    servers = jnp.linspace(1.0, 40.0, 200)
    found = jax.vmap(lambda n: delays(exponential(), 0.8, 0.7, n))(servers)
    assert (np.diff(found.chance) < 0.0).all()
    assert (np.diff(found.mean_s) < 0.0).all()


def test_chance_and_gradients_are_finite_at_the_ends():
    for servers in (1.0, 1e4):
        for load in (0.0, 1e-6, 1.0, 5.0):
            packed = min(0.99999, 0.5 * load)
            slope = jax.grad(lambda x, n=servers, s=packed: delays(constant(), x, s, n).mean_s)
            found = delays(constant(), load, packed, servers)
            assert 0.0 <= float(found.chance) <= 1.0
            assert np.isfinite(found.mean_s)
            assert np.isfinite(slope(jnp.asarray(load)))


def test_the_rest_of_a_service_and_the_backlog_are_the_delay():
    for servers in (1.0, 5.0):
        found = delays(exponential(), jnp.asarray(0.7), jnp.asarray(0.7), servers)
        times_s = jnp.linspace(0.0, 60.0, 20_001)
        backlog_s = float(jnp.trapezoid(found.backlog.beyond(times_s), times_s))
        assert 0.0 < float(found.rest_s) < float(found.mean_s)
        assert backlog_s + float(found.rest_s) == pytest.approx(float(found.mean_s), rel=1e-3)
        variance_s2 = float(found.variation * found.mean_s**2)
        later_s2 = float(found.backlog.variance_s2)
        assert later_s2 + float(found.rest_s2) == pytest.approx(variance_s2, rel=1e-3)


def test_a_batch_holds_those_who_come_while_it_is_served():
    """As k = λ·s(k)/n, s linear between one, two and a full batch; one below a load of one."""
    alone = jnp.asarray([0.2, 1.0, 1.2, 1.6, 1.8])
    found = np.asarray(cycle_batch(alone, 0.5 * alone, SHARING))
    np.testing.assert_allclose(found[:2], 1.0, rtol=1e-6)
    batch_s = np.interp(found, [1.0, 2.0, 6.0], [1.0, 1.4, 3.0])
    np.testing.assert_allclose(alone[2:] * batch_s[2:], found[2:], rtol=1e-5)
    assert (np.diff(found[1:]) > 0.0).all()


def test_many_busy_servers_have_a_delay_of_cycles():
    """Two batches less a service, company included, and hardly any variation; one has no cycles."""
    load, packed = jnp.asarray(1.6), jnp.asarray(0.8)
    batch_s = float(cycle_batch(load, packed, SHARING)) / float(load)
    many = delays(constant(), load, packed, 60.0)
    assert float(many.chance) > 0.9
    equal, most, fixed_s = jnp.ones(1), SHARING.most, 2.0 * (1.0 - SHARING.pair)
    joined_s = company(equal, equal, most, equal, fixed_s).delay_s(many.chance, jnp.asarray(60.0))
    assert float(many.mean_s + joined_s[0]) == pytest.approx(2.0 * batch_s - 1.0, rel=0.3)
    assert float(many.variation) < 0.2
    one = delays(constant(), load, packed, 1.0)
    assert float(one.variation) > float(many.variation)


def test_servers_are_all_busy_where_they_cannot_serve_one_by_one():
    loads = jnp.linspace(0.05, 1.8, 30)
    for servers, saved in product((1.0, 200.0), (0.95, 0.5)):
        packed = (1.0 - saved) * loads
        chance = np.asarray(busy_chance(loads, packed, 1.0 - packed, servers, 0.7))
        assert ((chance >= 0.0) & (chance < 1.0)).all()
        assert (np.diff(chance) >= 0.0).all()
    assert chance[0] < 1e-6
    assert chance[-1] > 0.9
