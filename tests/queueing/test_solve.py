"""Bracketed roots against scipy's, and their derivatives against central differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import root_scalar

from splitmodel.queueing.solve import bracketed_root, first_crossing

pytestmark = pytest.mark.numerics

ITERATIONS = 15

DECREASING = {
    "line": (lambda x, xp: 3.3 - x, 0.0, 10.0),
    "cubic": (lambda x, xp: 2.0 - x**3, 0.0, 10.0),
    "exponential": (lambda x, xp: xp.exp(-x) - 0.01, 0.0, 50.0),
    "logarithm of a queue": (lambda x, xp: xp.log(0.3 * xp.exp(-x / 7.0) / 0.01), 0.0, 200.0),
    "fixed point of a load": (lambda x, xp: 4.0 * (0.5 + 0.2 * x) - x, 0.0, 64.0),
    "steep": (lambda x, xp: xp.tanh(40.0 * (1.7 - x)), 0.0, 4.0),
    "kink": (lambda x, xp: xp.minimum(1.0, 30.0 * (2.0 - x)), 0.0, 9.0),
    "pole": (lambda x, xp: 1.0 / (1.0 + x) - 0.2 - 1e-3 * x, 0.0, 1000.0),
}


def brent(function, low, high):
    return root_scalar(function, bracket=(low, high), method="brentq", xtol=1e-14).root


def point(value):
    return jnp.asarray(value, dtype=float)


@pytest.mark.parametrize(("function", "low", "high"), DECREASING.values(), ids=DECREASING)
def test_root_equals_brentq(function, low, high):
    """To 1e-5 in float32 and 1e-9 in float64, relative."""
    exact = brent(lambda x: function(x, np), low, high)
    root = bracketed_root(lambda x: function(x, jnp), point(low), point(high), ITERATIONS)
    accuracy = 1e-9 if root.dtype == jnp.float64 else 1e-5
    assert float(root) == pytest.approx(exact, rel=accuracy)


def test_a_step_is_bisected():
    root = bracketed_root(lambda x: jnp.where(x < 1.7, 1.0, -1.0), point(0.0), point(4.0), 15)
    assert float(root) == pytest.approx(1.7, abs=4.0 / 2**14)


def roots(values, exponent):
    """Where x**exponent meets the values, elementwise."""
    return bracketed_root(
        lambda x: values - x**exponent, jnp.zeros(4), 10.0 * jnp.ones(4), 2 * ITERATIONS
    )


@pytest.mark.parametrize("exponent", [1.0, 2.5])
def test_implicit_derivative_equals_central_differences(exponent):
    values = np.array([0.5, 1.0, 2.0, 7.0])
    step = 1e-4

    def exact(value):
        return brent(lambda x: value - x**exponent, 0.0, 10.0)

    central = [(exact(v * (1 + step)) - exact(v * (1 - step))) / (2 * step * v) for v in values]
    found = jax.jit(jax.jacobian(roots))(point(values), exponent)
    np.testing.assert_allclose(found, np.diag(central), rtol=1e-4)


def test_forward_mode_and_vmap():
    values = point([[0.5, 1.0, 2.0, 7.0], [0.1, 4.0, 5.0, 6.0]])
    _, tangents = jax.jvp(
        lambda v: jax.vmap(roots, in_axes=(0, None))(v, 2.0), (values,), (values,)
    )
    np.testing.assert_allclose(tangents, 0.5 * np.sqrt(values), rtol=1e-4)


def wave(shift):
    """Falls below zero between 2 and 3, 6 and 7, 10 and 11."""
    return lambda x: jnp.cos(0.5 * jnp.pi * (x - 1.5 - shift)) + 0.05


def test_the_first_of_several_crossings():
    tried = point([1.0, 1.5, 2.0, 3.0, 5.0, 6.0, 8.0, 11.5])
    shift = point(0.2)
    found, slope = jax.value_and_grad(lambda s: first_crossing(wave(s), tried, ITERATIONS))(shift)
    exact = brent(lambda x: np.cos(0.5 * np.pi * (x - 1.7)) + 0.05, 2.0, 3.0)
    assert float(found) == pytest.approx(exact, rel=1e-5)
    assert float(slope) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize(
    ("height", "stands"),
    [
        (20.0, 5.0),  # above zero everywhere: the last point
        (-1.0, 1.0),  # below already at the first
    ],
)
def test_without_a_crossing_an_end_stands_and_only_the_end_moves_it(height, stands):
    def crossing(height, scale):
        tried = scale * point([1.0, 2.0, 5.0])
        return first_crossing(lambda x: height - x, tried, ITERATIONS)

    found, slopes = jax.value_and_grad(crossing, argnums=(0, 1))(point(height), point(1.0))
    assert float(found) == stands
    assert float(slopes[0]) == 0.0
    assert float(slopes[1]) == stands


def test_each_element_has_its_own_crossing():
    tops = point([0.2, 1.5, 3.0, 99.0])
    tried = point(np.tile([[1.0], [2.0], [4.0]], (1, 4)))
    found = first_crossing(lambda x: tops - x, tried, ITERATIONS)
    np.testing.assert_allclose(found, [1.0, 1.5, 3.0, 4.0], rtol=1e-5)


@pytest.mark.parametrize("height", [1.0, 0.0, -1.0])
def test_a_flat_function_has_a_finite_root_without_a_slope(height):
    def flat_root(level):
        return bracketed_root(lambda x: level + 0.0 * x, point(0.0), point(4.0), ITERATIONS)

    found, slope = jax.value_and_grad(flat_root)(point(height))
    assert 0.0 <= float(found) <= 4.0
    assert float(slope) == 0.0


def test_what_has_converged_stays():
    """Products and sums are rounded together or apart; the bracket outlives both."""
    squares = point(np.linspace(0.01, 9.0, 1000))
    found = jax.jit(
        lambda v: bracketed_root(lambda x: v - x * x, 0.0 * v, 10.0 + 0.0 * v, 2 * ITERATIONS)
    )(squares)
    np.testing.assert_allclose(found, np.sqrt(squares), rtol=1e-6)
