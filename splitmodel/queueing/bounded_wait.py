"""Wait of a queue that sends customers elsewhere once its backlog passes a limit.

The wait of those who stay is that of the open queue at the load that stays, cut off at the limit;
the share that goes elsewhere makes both sides agree.

References:
    As in `multi_server`; the cut-off is that of an M/M/1 queue with finite room (Kleinrock,
    Queueing Systems I, 1975, section 3.6), taken in time instead of customers.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from splitmodel.queueing.multi_server import waiting
from splitmodel.queueing.solve import bracketed_root
from splitmodel.units import Scalar

_FULLEST = 0.9999
_ITERATIONS = 8


def bounded_wait(
    service_mean_s: Scalar,
    service_second_s2: Scalar,
    offered: Scalar,
    servers: Scalar,
    limit_s: Scalar,
    unpooled: float,
) -> tuple[Scalar, Scalar, Scalar]:
    """Share that goes elsewhere [1], and mean [s] and second moment [s²] of the others' wait.

    Args:
        service_mean_s: mean service time [s].
        service_second_s2: its second moment [s²].
        offered: work offered per server, may exceed 1.
        servers: n, a positive real number.
        limit_s: backlog at the shortest queue beyond which a customer goes elsewhere [s].
        unpooled: as in `multi_server.waiting`.
    """

    def stay(elsewhere: Scalar) -> tuple[Scalar, Scalar]:
        kept = jnp.minimum(offered * (1.0 - elsewhere), _FULLEST)
        return waiting(service_mean_s, service_second_s2, kept, 1.0 - kept, servers, unpooled)

    def excess(elsewhere: jax.Array) -> jax.Array:
        chance, conditional_s = stay(elsewhere)
        return chance * jnp.exp(-limit_s / conditional_s) - elsewhere

    # At least what the servers cannot do goes elsewhere, converged or not.
    least = 1.0 - _FULLEST / jnp.maximum(offered, _FULLEST)
    elsewhere = bracketed_root(excess, least, jnp.ones_like(offered), _ITERATIONS)
    chance, conditional_s = stay(elsewhere)
    reach = limit_s / conditional_s
    beyond = jnp.exp(-reach)
    mean_s = chance * conditional_s * (1.0 - beyond * (1.0 + reach))
    second_s2 = 2.0 * chance * conditional_s**2 * (1.0 - beyond * (1.0 + reach + 0.5 * reach**2))
    return elsewhere, mean_s, second_s2
