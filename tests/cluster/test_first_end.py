"""The first of those who decode on a machine to end: against drawing their number and rests."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.cluster.first_end import first_end

pytestmark = pytest.mark.numerics

MEAN = 100.0


@pytest.fixture(scope="module", params=["even", "exponential", "two kinds"])
def outputs(request):
    """Decode steps of many requests."""
    if request.param == "even":
        return np.round(np.linspace(0.5 * MEAN, 1.5 * MEAN, 20_000))
    if request.param == "exponential":
        return np.round(-MEAN * np.log1p(-(np.arange(20_000) + 0.5) / 20_000)) + 1.0
    return np.where(np.arange(20_000) % 20 == 0, 20.0 * MEAN, 0.2 * MEAN)


@pytest.fixture(scope="module")
def case(case_of, outputs):
    return case_of(outputs + 1.0)


def rests(outputs, rng, count):
    """Steps that requests have left which somebody meets at random."""
    met = rng.choice(outputs, size=count, p=outputs / outputs.sum())
    return met * rng.uniform(size=count)


@pytest.mark.parametrize("decodes", [0.05, 1.0, 5.0])
def test_first_of_a_poisson_number_of_rests(case, outputs, decodes):
    """The chance that there is any, and the mean and the mean square root of what it takes."""
    rng = np.random.default_rng(3)
    numbers = rng.poisson(decodes, size=40_000)
    there = numbers[numbers > 0]
    begins = np.concatenate([[0], np.cumsum(there)[:-1]])
    firsts = np.minimum.reduceat(rests(outputs, rng, there.sum()), begins)
    some, mean, second = map(float, first_end(case.sizes, jnp.asarray(decodes)))
    assert some == pytest.approx((numbers > 0).mean(), rel=0.05)
    assert mean == pytest.approx(some * firsts.mean(), rel=0.1)
    scale = second / (2.0 * mean)
    root = mean / scale * np.sqrt(np.pi * scale) / 2.0
    assert root == pytest.approx(some * np.sqrt(firsts).mean(), rel=0.1)


def test_what_is_left_of_those_who_decode(case, outputs):
    edges = np.asarray(case.sizes.step_edges)
    left = rests(outputs, np.random.default_rng(4), 40_000)
    expected = (left[None, :] > edges[:, None]).mean(axis=1)
    np.testing.assert_allclose(case.sizes.residual_chance, expected, atol=0.03)


def test_nobody_decodes(case):
    some, mean, second = first_end(case.sizes, jnp.asarray(0.0))
    assert float(some) == float(mean) == float(second) == 0.0
    slope = jax.grad(lambda decodes: first_end(case.sizes, decodes)[1])(jnp.asarray(0.0))
    assert np.isfinite(float(slope))
