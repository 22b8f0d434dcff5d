"""Whom a customer meets that joins the shortest of n queues in front of processor sharing.

Customers keep the servers' numbers nearly equal, so that a new one finds almost as many others as
there are per server, less about one; with few per server, it finds an idle one. Chance keeps the
total from being constant.

References:
    Mitzenmacher, IEEE Transactions on Parallel and Distributed Systems 12, 1094–1104 (2001), for
    the even numbers; the distance below the mean is fitted to simulations of clusters, and exact
    for one server, where arrivals see time averages (Wolff, Operations Research 30, 1982).
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.stats import norm

from splitmodel.units import Scalar

_BELOW = 0.8
"""How far below the mean number the shortest of many queues is."""


def met_share(present: Scalar, counted: Scalar, servers: Scalar) -> Scalar:
    """Customers of a kind that a new one meets, over those there are per server; in [0, 1].

    Args:
        present: customers per server.
        counted: those of the kind in question per server; the others are of a kind that new
            customers avoid.
        servers: n, a positive real number; below one it counts as one.
    """
    servers = jnp.maximum(servers, 1.0)
    others = jnp.maximum(present - counted, 0.0)
    above = present - others / servers - _BELOW * (1.0 - 1.0 / servers)
    deviation = jnp.sqrt(jnp.maximum(present, 1e-9) / servers)
    distance = jnp.clip(above / deviation, -8.0, 1e3)
    met = deviation * (norm.pdf(distance) + distance * norm.cdf(distance))
    return jnp.clip(met / jnp.maximum(counted, 1e-9), 0.0, 1.0)
