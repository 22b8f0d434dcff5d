"""Share of the offered work that finds all places taken.

References:
    Normal approximation of an infinite-server group, as in Wolff, Stochastic Modeling and the
    Theory of Queues (1989), chapter 6: the number in service is Poisson, so that its mean excess
    over the places is that of a normal with equal mean and variance.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.stats import norm

from splitmodel.units import Scalar


def overflow_share(offered: Scalar, variance: Scalar, places: Scalar) -> Scalar:
    """E[(X − places)⁺]/offered for X normal, in [0, 1]; shapes broadcast.

    Args:
        offered: mean number of requests that would be in service with unlimited places.
        variance: variance of what they occupy, in places squared.
        places: places there are.
    """
    offered = jnp.maximum(offered, 1e-9)
    deviation = jnp.sqrt(jnp.maximum(variance, 1e-12))
    distance = (places - offered) / deviation
    excess = deviation * (norm.pdf(distance) - distance * norm.sf(distance))
    return jnp.clip(excess / offered, 0.0, 1.0)
