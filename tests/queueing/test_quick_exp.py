"""The quicker exponentials against numpy's, where they are used: for arguments up to zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.quick_exp import quick_both, quick_exp, quick_fall

pytestmark = pytest.mark.numerics

ARGUMENTS = -np.concatenate([[0.0], np.geomspace(1e-6, 87.0, 4001)])


def test_relative_error():
    found = np.asarray(quick_exp(jnp.asarray(ARGUMENTS, dtype=float)), np.float64)
    # Arguments of float32 are themselves off by 6e-8, relative.
    np.testing.assert_allclose(found, np.exp(ARGUMENTS), rtol=1.5e-5)
    np.testing.assert_allclose(
        found[ARGUMENTS > -1.0], np.exp(ARGUMENTS[ARGUMENTS > -1.0]), rtol=7e-6
    )


def test_far_below_zero_next_to_nothing_is_left():
    found = quick_exp(jnp.asarray([-88.0, -1e3, -1e30, -jnp.inf], dtype=float))
    assert ((found >= 0.0) & (found < 1e-37)).all()


def test_the_fall_keeps_its_digits_near_zero():
    found = np.asarray(quick_fall(jnp.asarray(ARGUMENTS, dtype=float)), np.float64)
    np.testing.assert_allclose(found, -np.expm1(ARGUMENTS), rtol=2e-5)
    assert float(quick_fall(jnp.asarray(-jnp.inf))) == 1.0


@pytest.mark.parametrize(("function", "sign"), [(quick_exp, 1.0), (quick_fall, -1.0)])
def test_derivatives_are_the_exponential(function, sign):
    points = jnp.asarray([-3.0, -0.5, 0.0])
    np.testing.assert_array_equal(
        jax.vmap(jax.grad(function))(points), sign * jax.vmap(quick_exp)(points)
    )


def test_both_at_once_are_the_same():
    points = jnp.asarray(ARGUMENTS, dtype=float)
    both, single = quick_both(points), (quick_exp(points), quick_fall(points))
    # The least numbers are flushed to zero.
    np.testing.assert_allclose(both, single, rtol=1e-6, atol=1e-37)
    tangents = jax.jvp(quick_both, (points,), (jnp.ones_like(points),))[1]
    np.testing.assert_array_equal(tangents, (both[0], -both[0]))
