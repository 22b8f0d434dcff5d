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

_ITERATIONS = 16


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


def tabulated_level(rate_rps: Scalar, batches: jax.Array, stays_s: jax.Array) -> jax.Array:
    """The same in closed form where the stay is linear between tabulated batches.

    Where several batches solve it, the smallest. Beyond the last batch the stay is constant.

    Args:
        rate_rps: arrivals at one server [requests/s], a scalar.
        batches: ascending from zero, [batches].
        stays_s: times that a request stays there [s], [batches].
    """
    # Requests of a single token do not stay at all.
    sustained_rps = jax.lax.cummax(batches / jnp.maximum(stays_s, 1e-30))
    segment = jnp.sum(sustained_rps[1:] < rate_rps)
    slopes = jnp.append(jnp.diff(stays_s) / jnp.diff(batches), 0.0)
    slope = slopes[segment]
    at_none_s = stays_s[segment] - slope * batches[segment]
    return rate_rps * at_none_s / (1.0 - rate_rps * slope)


def spread(batch: Scalar) -> Scalar:
    """Standard deviation of the number of requests that decode together: that of a Poisson."""
    return jnp.sqrt(jnp.maximum(batch, 1e-12))
