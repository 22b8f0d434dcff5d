"""The quicker exponential against numpy's, where it is used: for arguments up to zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.quick_exp import quick_exp

pytestmark = pytest.mark.numerics

ARGUMENTS = -np.concatenate([[0.0], np.geomspace(1e-6, 87.0, 4001)])


def test_relative_error():
    found = np.asarray(quick_exp(jnp.asarray(ARGUMENTS, dtype=float)), np.float64)
    # Arguments of float32 are themselves off by 6e-8, relative.
    np.testing.assert_allclose(found, np.exp(ARGUMENTS), rtol=1.5e-5)
    np.testing.assert_allclose(
        found[ARGUMENTS > -1.0], np.exp(ARGUMENTS[ARGUMENTS > -1.0]), rtol=4e-6
    )


def test_far_below_zero_next_to_nothing_is_left():
    found = quick_exp(jnp.asarray([-88.0, -1e3, -1e30, -jnp.inf], dtype=float))
    assert ((found >= 0.0) & (found < 1e-37)).all()


def test_it_is_its_own_derivative():
    points = jnp.asarray([-3.0, -0.5, 0.0])
    np.testing.assert_array_equal(
        jax.vmap(jax.grad(quick_exp))(points), jax.vmap(quick_exp)(points)
    )
