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


def tabulated_level(
    rate_rps: Scalar, met: jax.Array, stays_s: jax.Array, unevenness: Scalar
) -> jax.Array:
    """The mean number that is there, where the stay is linear between tabulated batches.

    Who is there meets max(b + unevenness, 1), itself included, if b are there on average. Where
    several solve it, the smallest. Beyond the last batch the stay is constant.

    Args:
        rate_rps: arrivals at one server [requests/s], a scalar.
        met: ascending from one, [batches].
        stays_s: times that a request stays there [s], [batches].
        unevenness: variance of the number that is there, over its mean.
    """
    enough = met - unevenness >= rate_rps * stays_s
    after = jnp.min(jnp.where(enough, jnp.arange(met.shape[0]), met.shape[0]))
    segment = jnp.maximum(after - 1, 0)
    slopes = jnp.append(jnp.diff(stays_s) / jnp.diff(met), 0.0)
    slope = slopes[segment]
    at_none_s = stays_s[segment] - slope * met[segment]
    alone = after == 0
    found = (unevenness + rate_rps * at_none_s) / jnp.where(alone, 1.0, 1.0 - rate_rps * slope)
    return jnp.where(alone, rate_rps * stays_s[0], found - unevenness)


def unevenness(servers: Scalar, resident_spread: Scalar) -> Scalar:
    """Variance of the number that decodes on a server, over its mean, where memory is balanced.

    The number on all n servers varies as a Poisson variable does, and each has its share of that.
    Servers hold the same memory, but of requests that differ: a number of them with a given sum
    varies by their squared coefficient of variation.

    Args:
        servers: n, a real number; below one it counts as one.
        resident_spread: second moment of the memory of a request that decodes over the square of
            its mean.

    References:
        Cox, Renewal Theory (1962), section 3 (variance of the number of renewals).
    """
    shared = 1.0 / jnp.maximum(servers, 1.0)
    return shared + (1.0 - shared) * (resident_spread - 1.0)


def spread(batch: Scalar, unevenness: Scalar = 1.0) -> Scalar:
    """Standard deviation of the number of requests that decode together; that of a Poisson."""
    return jnp.sqrt(jnp.maximum(unevenness * batch, 1e-12))
