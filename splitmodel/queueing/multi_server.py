"""Wait of a queue in front of many servers.

References:
    Sakasegawa, Annals of the Institute of Statistical Mathematics 29, 67–75 (1977), for the
    probability of waiting ρ^(√(2(n+1))−1), continuous in n; Allen, Probability, Statistics and
    Queueing Theory (1990), for the factor (1 + C²)/2 of general service (Allen–Cunneen).
"""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.queueing.power import power
from splitmodel.units import Scalar


def waiting_chance(utilisation: Scalar, servers: Scalar) -> Scalar:
    """P(all of n servers are busy), exact at n = 1; shapes broadcast.

    Args:
        utilisation: ρ in [0, 1).
        servers: n, a positive real number; below one it counts as one.
    """
    busy = jnp.maximum(utilisation, 1e-12)
    return power(busy, jnp.sqrt(2.0 * (jnp.maximum(servers, 1.0) + 1.0)) - 1.0)


def wait_moments(
    service_mean_s: Scalar,
    service_second_s2: Scalar,
    utilisation: Scalar,
    slack: Scalar,
    servers: Scalar,
) -> tuple[Scalar, Scalar]:
    """Mean [s] and second moment [s²] of the wait over all customers of one central queue.

    The wait of those who wait is taken as exponential.

    Args:
        service_mean_s: mean service time [s]; where it is zero, so is the wait.
        service_second_s2: its second moment [s²].
        utilisation: ρ in [0, 1).
        slack: 1 − ρ, carried separately because 1 − ρ loses its digits near saturation.
        servers: n, a positive real number; below one it counts as one.
    """
    servers = jnp.maximum(servers, 1.0)
    residual_s = 0.5 * service_second_s2 / jnp.maximum(service_mean_s, 1e-12)
    conditional_s = residual_s / (servers * slack)
    mean_s = waiting_chance(utilisation, servers) * conditional_s
    return mean_s, 2.0 * mean_s * conditional_s
