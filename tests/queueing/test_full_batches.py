"""Batches out of a backlog, against packing drawn customers one after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.full_batches import full_batches

pytestmark = pytest.mark.numerics

LIMIT = 2048.0
EDGES = np.array([0.0, 50.0, 200.0, 500.0, 1000.0, 1500.0, 2500.0, 6000.0])
MEANS = np.array([20.0, 110.0, 390.0, 700.0, 1150.0, 1900.0, 3900.0])
WEIGHTS = {
    "few beyond the limit": np.array([0.1, 0.2, 0.3, 0.2, 0.1, 0.08, 0.02]),
    "many beyond the limit": np.array([0.05, 0.1, 0.1, 0.2, 0.15, 0.2, 0.2]),
    "small ones": np.array([0.5, 0.4, 0.1, 0.0, 0.0, 0.0, 0.0]),
}


def batches(weight, limit=LIMIT, edges=EDGES, means=MEANS):
    edges, means, weight = (jnp.asarray(each, dtype=float) for each in (edges, means, weight))
    return full_batches(edges, means, weight, jnp.asarray(limit, dtype=float))


def drawn(weight, count=40_000):
    """Sizes that are even on both sides of the mean of each cell."""
    rng = np.random.default_rng(3)
    cell = rng.choice(len(weight), size=count, p=weight)
    low, mean, high = EDGES[:-1][cell], MEANS[cell], EDGES[1:][cell]
    upper = rng.uniform(size=count) < (mean - low) / (high - low)
    return rng.uniform(np.where(upper, mean, low), np.where(upper, high, mean))


def packed(sizes):
    """Fills of batches and how many customers are in them, and how many customers are alone."""
    fills, members, alone, fill, inside = [], [], 0, 0.0, 0
    for size in sizes:
        if inside and fill + size > LIMIT:
            fills.append(fill)
            members.append(inside)
            fill, inside = 0.0, 0
        if size > LIMIT:
            alone += 1
        else:
            fill, inside = fill + size, inside + 1
    return np.array(fills), np.array(members), alone


@pytest.mark.parametrize("kind", WEIGHTS)
def test_batches_of_drawn_customers(kind):
    sizes = drawn(WEIGHTS[kind])
    found = batches(WEIGHTS[kind])
    fills, members, alone = packed(sizes)
    assert found.closes.sum() == pytest.approx(len(fills) / len(sizes), rel=0.03)
    assert found.customers == pytest.approx(members.mean(), rel=0.03)
    mean_fill = jnp.sum(found.closes * found.fill) / jnp.sum(found.closes)
    assert mean_fill == pytest.approx(fills.mean(), rel=0.02)
    beyond = 1.0 - jnp.dot(found.inside, jnp.asarray(WEIGHTS[kind], dtype=float))
    assert beyond == pytest.approx(alone / len(sizes), abs=0.01)


@pytest.mark.parametrize("kind", WEIGHTS)
def test_all_that_comes_is_in_a_batch_or_alone(kind):
    weight, found = WEIGHTS[kind], batches(WEIGHTS[kind])
    inside = np.dot(weight, np.asarray(found.inside_size))
    assert jnp.sum(found.closes * found.fill) == pytest.approx(inside, rel=5e-3)


@pytest.mark.parametrize("fitting", [2, 4, 8])
def test_equal_customers_fill_batches_exactly(fitting):
    size = LIMIT / fitting
    found = batches(np.ones(1), edges=np.full(2, size), means=np.full(1, size))
    assert found.customers == pytest.approx(fitting, rel=1e-3)
    assert found.closes[-1] == pytest.approx(1.0 / fitting, rel=1e-3)
    assert found.closes[:-1].sum() == pytest.approx(0.0, abs=1e-4)


def test_where_none_fits_there_are_no_batches():
    found = batches(np.ones(1), edges=np.array([3000.0, 5000.0]), means=np.full(1, 4000.0))
    assert found.closes.sum() == pytest.approx(0.0, abs=1e-6)
    assert found.inside == pytest.approx(0.0)
    assert found.customers == 1.0


def test_gradients_along_the_limit_are_those_of_differences():
    def per_customer(limit):
        return jnp.sum(batches(WEIGHTS["few beyond the limit"], limit).closes)

    slope = jax.grad(per_customer)(jnp.asarray(LIMIT, dtype=float))
    difference = (per_customer(LIMIT * 1.02) - per_customer(LIMIT * 0.98)) / (0.04 * LIMIT)
    assert slope == pytest.approx(float(difference), rel=0.1)
    assert slope < 0.0
