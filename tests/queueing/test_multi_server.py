"""Waits against the M/G/1 queue, where they are exact, and against Erlang C."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.multi_server import wait_moments, waiting_chance

pytestmark = pytest.mark.numerics

MEAN_S = 2.0
UTILISATIONS = np.array([0.3, 0.5, 0.7, 0.8, 0.9, 0.95])


def erlang_c(servers, utilisation):
    """P(wait) of M/M/n, by the recursion of Erlang B."""
    offered, blocked = servers * utilisation, 1.0
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    return blocked / (1.0 - utilisation * (1.0 - blocked))


@jax.jit
def moments(second_s2, utilisation, slack, servers):
    """Mean and second moment of the wait for a mean service time of MEAN_S."""
    mean_s = jnp.asarray(MEAN_S)
    return wait_moments(mean_s, second_s2, utilisation, slack, servers)


@pytest.mark.parametrize("squared_cv", [0.0, 0.25, 1.0, 4.0])
def test_one_server_is_pollaczek_khinchine(squared_cv):
    second_s2 = MEAN_S**2 * (1.0 + squared_cv)
    rate_rps = UTILISATIONS / MEAN_S
    exact_s = rate_rps * second_s2 / (2.0 * (1.0 - UTILISATIONS))
    mean_s, _ = moments(second_s2, UTILISATIONS, 1.0 - UTILISATIONS, 1.0)
    np.testing.assert_allclose(mean_s, exact_s, rtol=1e-5)


def test_second_moment_of_one_exponential_server():
    """The wait of M/M/1 is zero with 1 − ρ, else exponential at rate (1 − ρ)/E[S]."""
    _, second_s2 = moments(2.0 * MEAN_S**2, UTILISATIONS, 1.0 - UTILISATIONS, 1.0)
    exact_s2 = UTILISATIONS * 2.0 * (MEAN_S / (1.0 - UTILISATIONS)) ** 2
    np.testing.assert_allclose(second_s2, exact_s2, rtol=1e-5)


@pytest.mark.parametrize("servers", [2, 5, 20, 50])
def test_many_servers_against_erlang_c(servers):
    """P(wait) within 0.06, mean wait within 0.035 service times; at ρ ≥ 0.9 both within 6%.

    At low load and many servers hardly anybody waits, and the relative error says nothing.
    """
    exact = np.array([erlang_c(servers, utilisation) for utilisation in UTILISATIONS])
    exact_s = MEAN_S * exact / (servers * (1.0 - UTILISATIONS))
    chance = waiting_chance(jnp.asarray(UTILISATIONS, dtype=float), float(servers))
    mean_s, _ = moments(2.0 * MEAN_S**2, UTILISATIONS, 1.0 - UTILISATIONS, float(servers))
    np.testing.assert_allclose(chance, exact, atol=0.06)
    np.testing.assert_allclose(mean_s, exact_s, atol=0.035 * MEAN_S)
    busy = UTILISATIONS >= 0.9
    np.testing.assert_allclose(np.asarray(chance)[busy], exact[busy], rtol=0.06)
    np.testing.assert_allclose(np.asarray(mean_s)[busy], exact_s[busy], rtol=0.06)


def test_servers_are_a_real_number():
    servers = np.linspace(1.0, 6.0, 51)
    mean_s, _ = moments(2.0 * MEAN_S**2, np.full(51, 0.8), np.full(51, 0.2), servers)
    steps = np.diff(mean_s)
    assert (steps < 0.0).all()
    assert (np.diff(steps) > 0.0).all()  # no kink at whole numbers
    below, one = (moments(8.0, 0.8, 0.2, n)[0] for n in (0.3, 1.0))
    assert float(below) == float(one)


def test_slack_keeps_its_digits_near_saturation():
    mean_s, _ = moments(2.0 * MEAN_S**2, 1.0 - 1e-9, 1e-9, 1.0)
    assert float(mean_s) == pytest.approx(MEAN_S * 1e9, rel=1e-5)


def test_an_idle_queue_has_finite_gradients():
    gradient = jax.grad(lambda busy: moments(8.0, busy, 1.0 - busy, 4.0)[0])(jnp.asarray(0.0))
    assert np.isfinite(gradient)


def test_service_that_takes_no_time_has_no_queue():
    nothing = jnp.zeros(())
    assert wait_moments(nothing, nothing, nothing, 1.0 - nothing, 3.0 + nothing) == (0.0, 0.0)
