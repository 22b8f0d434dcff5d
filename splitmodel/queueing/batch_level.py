"""Mean number of requests that decode together, from Little's law.

References:
    Little, Operations Research 9, 383–387 (1961); the decode time depends on the batch, so the
    queue is processor sharing with load-dependent rates (Kleinrock, Queueing Systems II, 1976).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from splitmodel.queueing.solve import bracketed_root
from splitmodel.units import Scalar

_ITERATIONS = 8


def batch_level(
    rate_rps: Scalar, stay_s: Callable[[jax.Array], jax.Array], most: Scalar
) -> jax.Array:
    """Solution b of b = rate · stay(b) in (0, most]; `most` where the batch would outgrow it.

    Args:
        rate_rps: arrivals at one server [requests/s].
        stay_s: time that a request stays if b are together [s]; rate · stay(b) − b must fall.
        most: largest batch.
    """

    def excess(batch: jax.Array) -> jax.Array:
        return rate_rps * stay_s(batch) - batch

    return bracketed_root(excess, jnp.zeros_like(most), jnp.asarray(most), _ITERATIONS)


def spread(batch: Scalar) -> Scalar:
    """Standard deviation of the number of requests that decode together: that of a Poisson."""
    return jnp.sqrt(jnp.maximum(batch, 1e-12))
