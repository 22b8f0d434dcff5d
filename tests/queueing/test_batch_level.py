"""Batch sizes that arrivals and stays agree on, against solutions by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.batch_level import batch_level, spread, tabulated_level, unevenness

pytestmark = pytest.mark.numerics

MOST = jnp.asarray(64.0)
CLOSE = {"float32": 1e-4, "float64": 1e-9}


def level(rate_rps, stay_s, most=MOST):
    found = batch_level(jnp.asarray(rate_rps), stay_s, most)
    return float(found), CLOSE[str(found.dtype)]


@pytest.mark.parametrize("rate_rps", [0.01, 0.5, 4.0])
def test_a_constant_stay_is_an_infinite_server_group(rate_rps):
    """M/G/∞: the mean number present is rate × stay (Little)."""
    batch, close = level(rate_rps, lambda batch: 12.5 + 0.0 * batch)
    assert batch == pytest.approx(rate_rps * 12.5, rel=close)


@pytest.mark.parametrize("rate_rps", [0.01, 0.5, 3.9])
def test_a_stay_that_grows_with_the_batch(rate_rps):
    """The solution of b = λ·(t0 + k·b) is λ·t0/(1 − λ·k)."""
    batch, close = level(rate_rps, lambda batch: 2.0 + 0.2 * batch)
    assert batch == pytest.approx(rate_rps * 2.0 / (1.0 - rate_rps * 0.2), rel=close)


def test_a_stay_that_grows_faster_than_the_batch():
    """Of the two solutions of b = λ·t0·(1 + b²/c²) the lower one is stable."""
    batch, close = level(0.5, lambda batch: 10.0 * (1.0 + (batch / 30.0) ** 2))
    lower, _ = sorted(np.roots([5.0 / 900.0, -1.0, 5.0]).real)
    assert batch == pytest.approx(lower, rel=close)


def test_a_small_batch_of_many_that_would_fit():
    """The condition b = λ·(1 + 4b/(b + 3)) is a quadratic equation."""
    batch, close = level(0.9, lambda batch: 1.0 + 4.0 * batch / (batch + 3.0), jnp.asarray(1500.0))
    assert batch == pytest.approx(max(np.roots([1.0, 3.0 - 5.0 * 0.9, -3.0 * 0.9]).real), rel=close)


def test_processor_sharing():
    """M/M/1-PS: stay S·(b + 1) gives the mean number ρ/(1 − ρ) of the queue."""
    batch, close = level(0.45, lambda batch: 2.0 * (batch + 1.0))
    assert batch == pytest.approx(0.9 / 0.1, rel=close)


def test_a_batch_that_would_outgrow_the_limit_stands_there():
    def outgrown(rate_rps, most):
        return batch_level(rate_rps, lambda batch: 2.0 + 0.2 * batch, most)

    found, slopes = jax.value_and_grad(outgrown, argnums=(0, 1))(jnp.asarray(6.0), MOST)
    assert float(found) == 64.0
    assert [float(slope) for slope in slopes] == [0.0, 1.0]


def test_derivative_with_respect_to_the_rate():
    """Of λ·t0/(1 − λ·k): t0/(1 − λ·k)²."""
    slope = jax.grad(lambda rate: batch_level(rate, lambda b: 2.0 + 0.2 * b, MOST))(
        jnp.asarray(2.0)
    )
    assert float(slope) == pytest.approx(2.0 / 0.6**2, rel=1e-4)


@pytest.mark.parametrize("uneven", [0.1, 1.0, 1.8])
@pytest.mark.parametrize("rate_rps", [0.01, 0.3, 3.0])
@pytest.mark.parametrize(
    "stay_s",
    [
        lambda batch: 2.0 + 0.2 * batch,
        lambda batch: 5.0 + jnp.maximum(0.0, 0.4 * (batch - 8.0)),
        lambda batch: 1.0 + (batch / 16.0) ** 2,
    ],
    ids=["line", "kink", "several solutions"],
)
def test_tabulated_stays(rate_rps, stay_s, uneven):
    """Between batches where the stay is given; the last one's for all beyond."""
    met = jnp.linspace(1.0, 65.0, 257)
    found = tabulated_level(jnp.asarray(rate_rps), met, stay_s(met), jnp.asarray(uneven))
    batch = 0.0
    for _ in range(1000):  # from below, so that the smallest solution is met first
        batch = rate_rps * float(stay_s(jnp.asarray(np.clip(batch + uneven, 1.0, 65.0))))
    assert float(found) == pytest.approx(batch, rel=1e-3)


def test_who_does_not_stay_is_never_together():
    met = jnp.linspace(1.0, 65.0, 9)
    level = tabulated_level(jnp.asarray(5.0), met, jnp.zeros_like(met), jnp.asarray(0.5))
    assert level == 0.0


def test_derivative_of_a_tabulated_stay_where_one_is_alone():
    """There the level is rate × stay, whatever the table says of more."""
    met = jnp.linspace(1.0, 65.0, 9)
    slope = jax.grad(tabulated_level)(jnp.asarray(0.1), met, 10.0 * met, jnp.asarray(-1.0))
    assert float(slope) == pytest.approx(10.0)


def test_spread_is_that_of_a_poisson():
    np.testing.assert_allclose(spread(jnp.asarray([0.0, 9.0, 400.0])), [1e-6, 3.0, 20.0], rtol=1e-6)
    assert spread(jnp.asarray(9.0), jnp.asarray(0.25)) == pytest.approx(1.5)


def test_one_server_is_as_uneven_as_a_poisson():
    for servers in (0.2, 1.0):
        assert unevenness(jnp.asarray(servers), jnp.asarray(1.7)) == pytest.approx(1.0)


def test_equal_requests_vary_with_the_total_alone():
    assert unevenness(jnp.asarray(8.0), jnp.asarray(1.0)) == pytest.approx(1.0 / 8.0)


@pytest.mark.parametrize("shape", [0.7, 2.0, 6.0])
def test_many_servers_that_hold_the_same_memory(shape):
    """Numbers of requests, drawn one after another, of which the memory is just filled."""
    rng, memory = np.random.default_rng(0), 60.0
    held = np.cumsum(rng.gamma(shape, 1.0 / shape, (20_000, 200)), axis=1)
    count = np.sum(held < memory, axis=1)
    spread_of_one = jnp.asarray(1.0 + 1.0 / shape)
    found = unevenness(jnp.asarray(1e6), spread_of_one)
    assert found == pytest.approx(count.var() / count.mean(), rel=0.05)
