"""Wait of a queue that sends customers elsewhere once its backlog passes a limit.

The wait of those who stay is that of the open queue at the load that stays, cut off at the limit;
the share that goes elsewhere makes both sides agree.

References:
    The cut-off is that of an M/M/1 queue with finite room (Kleinrock, Queueing Systems I, 1975,
    section 3.6), taken in time instead of customers.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from splitmodel.queueing.shortest_queue import Delays, Lengths
from splitmodel.queueing.solve import bracketed_root
from splitmodel.units import Scalar

_ITERATIONS = 8
_MOST_GONE = 0.99
"""Of the longest customers; some must be left to have lengths of service."""
_CUT = 0.25
"""A backlog that is cut at the limit is less often beyond it than one that is not, the less the
more even it is over n servers: by a factor of n^−this, fitted to simulations of clusters."""


def bounded_wait(
    open_queue: Callable[[jax.Array, Lengths], Delays],
    service: Callable[[jax.Array], Lengths],
    least: Scalar,
    limit_s: Scalar,
    servers: Scalar,
    weight: Scalar,
    load: Scalar,
) -> tuple[Scalar, Delays, tuple[Scalar, Scalar]]:
    """Share of each size that goes elsewhere, and the delays of the others.

    Those are given as they are without the limit at the load that stays, and by the mean [s] and
    second moment [s²] of their wait cut off at the limit.

    Args:
        open_queue: delays of the queue without a limit if a given share of the load stays away,
            for the lengths of service of those who stay.
        service: these lengths, if given shares of each size stay away, [cells].
        least: share of the load that the servers cannot serve at all, in [0, 1).
        limit_s: backlog at the shortest queue, if there is one, beyond which a customer goes
            elsewhere, by size [s], [cells].
        servers: n, a real number; below one it counts as one.
        weight: probability of each size, [cells].
        load: share of each size in the load, [cells].
    """
    cut = jnp.maximum(servers, 1.0) ** -_CUT

    def refused(delays: Delays) -> Scalar:
        """Share of each size among those that find others waiting."""
        # The limit counts the service in progress from its start.
        return delays.beyond(limit_s - delays.residual_s)

    everybody = service(jnp.zeros_like(weight))

    def excess(elsewhere: jax.Array) -> jax.Array:
        delays = open_queue(elsewhere, everybody)
        return cut * delays.queued * jnp.sum(load * refused(delays)) - elsewhere

    # At least what the servers cannot do goes elsewhere, converged or not.
    elsewhere = bracketed_root(excess, least, jnp.ones_like(least), _ITERATIONS)

    delays = open_queue(elsewhere, everybody)
    gone = refused(delays)
    shares = cut * delays.queued * gone
    # The same for all sizes, if that is what converging lacks.
    shares = shares + jnp.maximum(elsewhere - jnp.sum(load * shares), 0.0)
    # As long as others wait, the long ones stay away and service is quicker.
    delays = open_queue(elsewhere, service(_MOST_GONE * gone))
    typical_s = jnp.sum(weight * limit_s)
    reach = typical_s / delays.mean_s
    mean_s, second_s2 = delays.moments
    cut_s = mean_s * _below(reach, 1)
    cut_second_s2 = jnp.clip(second_s2 * _below(reach, 2), cut_s**2, typical_s * cut_s)
    return shares, delays, (cut_s, cut_second_s2)


def _below(reach: Scalar, order: int) -> Scalar:
    """Share of an exponential's first or second moment from values below `reach` means."""
    beyond = jnp.exp(-reach)
    if order == 1:
        series, whole = reach**2 / 2.0, 1.0 - beyond * (1.0 + reach)
    else:
        series, whole = reach**3 / 6.0, 1.0 - beyond * (1.0 + reach + 0.5 * reach**2)
    # Digits cancel where the reach is short.
    return jnp.where(reach < 0.05, series * beyond, whole)
