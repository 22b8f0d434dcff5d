"""Whom a customer meets that joins the shortest of n queues in front of processor sharing.

With many servers, all have m or m + 1 customers, as many of each as give the mean m + f: whoever
leaves a server with m makes place that the next to come takes, so that these meet m − 1, and all
others m. Customers leave each server in proportion to their number, which makes the mean that is
met m · (m − 1 + 2f)/(m + f): the mean present, less one, and f · (1 − f)/(m + f). That is between
zero and its largest value as f changes, and on average 1/6 over the number present; with one
customer per server or fewer, a new one finds an idle server. With two servers hardly anybody leaves
one before somebody comes to the other, and of N customers a new one meets half, rounded down: the
mean present, less a quarter. The square of 1 − 1/n is right for one, two and many. Chance keeps the
total over all n from being constant, by the root of it, and likewise the servers that a new one may
go to.

References:
    Mitzenmacher, IEEE Transactions on Parallel and Distributed Systems 12, 1094–1104 (2001), for
    the limit of many servers; exact for one server, where arrivals see time averages (Wolff,
    Operations Research 30, 1982).
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.stats import norm

from splitmodel.units import Scalar

_EVEN = 1.0 / 6.0
"""Mean of f · (1 − f)."""


def met_share(present: Scalar, counted: Scalar, servers: Scalar, free: Scalar = 1.0) -> Scalar:
    """Customers that a new one meets, over those there are per server; in [0, 1].

    Args:
        present: customers per server, of servers that a new one may go to.
        counted: customers per server of all.
        servers: n, a positive real number; below one it counts as one.
        free: share of them that a new one may go to.
    """
    servers = jnp.maximum(servers, 1.0)
    below = (1.0 - 1.0 / servers) ** 2 * (1.0 - _EVEN / jnp.maximum(present, 1.0))
    variance = present * (1.0 + present * (1.0 - free)) / free
    deviation = jnp.sqrt(jnp.maximum(variance, 1e-9) / servers)
    distance = jnp.maximum((present - below) / deviation, -8.0)
    met = deviation * (norm.pdf(distance) + distance * norm.cdf(distance))
    return jnp.clip(met / jnp.maximum(counted, 1e-9), 0.0, 1.0)
