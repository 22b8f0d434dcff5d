"""Powers of what is not negative, in vector instructions."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from splitmodel.units import Scalar

_LEAST_BASE = 1e-37
"""Normal in float32, so that its logarithm is finite."""


def power(base: Scalar, exponent: Scalar) -> jax.Array:
    """Base to the exponent, for a base ≥ 0, as an exponential; shapes broadcast.

    XLA (jax 0.10) calls a function for every power on CPU, and makes no vector instructions.
    """
    return jnp.exp(exponent * jnp.log(jnp.maximum(base, _LEAST_BASE)))
