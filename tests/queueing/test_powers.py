"""Powers against NumPy, and where the base is zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.power import power

pytestmark = pytest.mark.numerics


def test_powers_and_their_derivatives_where_the_base_is_zero():
    bases, exponents = np.array([0.0, 1e-6, 0.3, 1.0, 1e4]), np.array([0.3, 1.0, 2.5, 140.0, -0.7])
    found = power(jnp.asarray(bases), jnp.asarray(exponents))
    np.testing.assert_allclose(found, bases**exponents, rtol=2e-5, atol=1e-10)
    assert float(jax.grad(power)(jnp.zeros(()), 2.5)) == 0.0
