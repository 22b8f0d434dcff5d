"""Share of the requests that find all places taken.

References:
    Kaufman, IEEE Transactions on Communications 29, 1474–1481 (1981): requests that need several
    places and are lost where they find fewer leave the distribution of what is taken as it would be
    with endless places, cut off. Normal approximation of that one, as in Wolff, Stochastic Modeling
    and the Theory of Queues (1989), chapter 6.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.stats import norm

from splitmodel.compilation import total
from splitmodel.queueing.quick_exp import quick_exp
from splitmodel.units import Scalar

_EMPTIER = 1.5
"""Places that the emptiest server has beyond the others, over the spread of what requests take."""
_CROWDED = 4.0
"""Deviations beyond the places up to which what is offered counts in the cut distribution: its
tail is too thin there, and what exceeds the places is more."""


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


def blocked_shares(
    size: Scalar,
    weight: Scalar,
    offered: Scalar,
    spread: Scalar,
    places: Scalar,
    servers: Scalar,
) -> tuple[Scalar, Scalar]:
    """Shares of the requests, and of the places they need, that find no server with enough of them.

    What is taken is balanced over n servers, and no request is divided between them: that a large
    one finds its places on a server, n times as many have to be free, but for what the emptiest
    server has beyond the others. Where all places are taken, though, one that is blocked leaves its
    own to others, and at least what exceeds all places is blocked.

    Args:
        size: places that requests need, [sizes].
        weight: share of each size in the requests, [sizes].
        offered: mean places that would be taken if there was no end of them.
        spread: variance of these over their mean.
        places: places there are.
        servers: n, a real number; below one it counts as one.
    """
    needed = weight * size / total(weight * size)
    on_each = size - _EMPTIER * spread
    needed_free = jnp.maximum(jnp.maximum(servers, 1.0) * on_each, size)
    blocked = _lost(needed_free, offered, spread, places)
    of_places = total(needed * blocked)
    # No more is blocked than if what has to be free for those who are was not there.
    left = places - total(needed * blocked * needed_free) / jnp.maximum(of_places, 1e-9)
    left = jnp.maximum(left, 0.0)
    most = jnp.maximum(
        _lost(total(needed * size), offered, spread, left),
        overflow_share(offered, offered * spread, left),
    )
    eased = jnp.minimum(most / jnp.maximum(of_places, 1e-9), 1.0)
    least = overflow_share(offered, offered * spread, places)
    return (
        jnp.maximum(eased * total(weight * blocked), least),
        jnp.maximum(eased * of_places, least),
    )


def _lost(needed_free: Scalar, offered: Scalar, spread: Scalar, places: Scalar) -> Scalar:
    """Chance that fewer places are free, in the distribution that is cut off."""
    half = 0.5 * _CROWDED * jnp.sqrt(spread)
    most = (half + jnp.sqrt(half**2 + places)) ** 2
    taken = jnp.clip(offered, 1e-6, most)
    deviation = jnp.sqrt(taken * spread)
    free = (places - taken) / deviation
    return 1.0 - _below(free - needed_free / deviation) / _below(free)


def _below(deviations: Scalar) -> Scalar:
    """The normal distribution function, to 2e-4: a logistic one of a cubic.

    References:
        Bowling, Khasawneh, Kaewkuekool and Cho, Journal of Industrial Engineering and Management 2,
        114–127 (2009).
    """
    steps = deviations * (1.5976 + 0.07056 * deviations**2)
    small = quick_exp(-jnp.abs(steps))
    return jnp.where(steps < 0.0, small, 1.0) / (1.0 + small)
