"""Wait of a queue that turns customers away when its backlog is too long for them.

A customer of some size accepts a backlog up to a limit, the less the larger the customer. What
arrives therefore depends on the backlog: of a long one, only small customers become part. Between
two limits the load that is accepted is constant, and the backlog drifts by 1 − load; its density
falls, or grows where the load is beyond what the servers can do, at the rate of that drift over the
mean residual life and n servers. What is left of the service in progress is no part of that
backlog: no limit cuts it, and it is added to the delay. In front of limits that nobody reaches, the
density is that of the open queue, so that only differences from there count.

References:
    Bekker, Borst, Boxma and Kella, Queueing Systems 46, 537–556 (2004), for queues with arrival
    rates that depend on the workload: their density is that of an M/G/1 queue with another load in
    each place. Exact where service is exponential, as is M/M/1 with finite room (Kleinrock,
    Queueing Systems I, 1975, section 3.6).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.compilation import compiled_apart, total
from splitmodel.queueing.power import power
from splitmodel.queueing.shortest_queue import FITTED as OPEN_FITTED
from splitmodel.queueing.shortest_queue import (
    Delays,
    Lengths,
    QueueFit,
    Sharing,
    cycle_delay_s,
    loss_odds,
    shortest_queue,
)
from splitmodel.units import Scalar

REFERENCE_LOAD = 0.9
"""Most that the open queue is loaded with from which differences count."""


class BoundedFit(NamedTuple):
    """Constants fitted to simulations of prompt pools that send prompts elsewhere.

    `python -m splitmodel_calibration.queues` repeats the fit, and tells the errors on other pools.
    """

    begun: float | Scalar = 1.11
    """A limit counts services in progress whole: beside what is left of one, it is nearer by this
    many rests."""
    least: float | Scalar = 0.82
    """Nobody is turned away where nobody waits: no limit is nearer than this many services."""
    behind: float | Scalar = 0.41
    behind_of_few: float | Scalar = 8.0
    behind_rare: float | Scalar = 1.45
    """Chance that somebody waits at the shortest queue: the first, times one and the second times
    (n − 1)/n², times this power of the chance that all servers are busy; at most one. That is
    enough for the largest customers to be turned away."""
    company: float | Scalar = 0.641
    company_of_few: float | Scalar = 0.546
    """Variance by whom a customer is served with, in squares of a service: where all is full, and
    over n."""


FITTED = BoundedFit()

_MANY = 20.0
"""Of more servers, some one more often has no queue: that chance falls with the root of them."""
_SOFT = 0.2
"""How gradually the least limit takes over, as a share of it."""
_FAR = 8.0
"""Mean excesses over the last limit that count as endless."""
_FLAT = 0.3
"""Below this change of a logarithm, Simpson's rule has more digits than the exact integral."""


class Stay(NamedTuple):
    """What becomes of customers of each size; leaves have the shape [sizes]."""

    elsewhere: Scalar
    """Share that goes elsewhere."""
    chance: Scalar
    """Share of the others that has a delay."""
    mean_s: Scalar
    """Mean of it [s]."""
    variance_s2: Scalar
    """Its variance [s²]."""


@compiled_apart
def offered_queue(
    service: Lengths,
    alone: Scalar,
    packed: Scalar,
    most: Scalar,
    limit_s: Scalar,
    servers: Scalar,
    sharing: Sharing,
    work: Scalar,
    fit: BoundedFit = FITTED,
    queue_fit: QueueFit = OPEN_FITTED,
) -> tuple[Delays, Stay]:
    """The open queue at a load that it can serve, and from there what becomes of all customers.

    Args:
        service: lengths of service.
        alone: load per server if every customer came in and was served alone.
        packed: load per server if every customer came in and all batches were full; may exceed 1.
        most: most of that at which the open queue is looked at, below 1.
        limit_s: as in `bounded_wait`.
        servers: likewise.
        sharing: what batches save.
        work: as in `bounded_wait`.
        fit: its constants.
        queue_fit: those of the open queue.
    """
    reference = jnp.minimum(packed, most)
    eased = alone * reference / packed
    cycle_s = cycle_delay_s(service.mean_s, eased, reference, sharing, queue_fit)
    delays = shortest_queue(
        service, eased, reference, 1.0 - reference, servers, cycle_s, sharing.pair, queue_fit
    )
    at_least_one = jnp.maximum(servers, 1.0)
    likelier = loss_odds(alone, at_least_one) / loss_odds(eased, at_least_one)
    return delays, bounded_wait(
        delays, service, reference, packed, likelier, limit_s, servers, work, fit
    )


def bounded_wait(
    delays: Delays,
    service: Lengths,
    reference: Scalar,
    offered: Scalar,
    likelier: Scalar,
    limit_s: Scalar,
    servers: Scalar,
    work: Scalar,
    fit: BoundedFit = FITTED,
) -> Stay:
    """Share of each size that goes elsewhere, and the delays of the others.

    Args:
        delays: of the open queue at the load `reference`.
        service: lengths of service.
        reference: load per server of the open queue, below 1.
        offered: load per server if nobody went elsewhere; may exceed 1.
        likelier: odds that servers are all busy where nobody waits, at that load over those at
            `reference`.
        limit_s: backlog at the shortest queue, services in progress counted whole, beyond which a
            customer goes elsewhere, by size and falling with it [s], [sizes].
        servers: n, a real number; below one it counts as one.
        work: share of each size in the load, [sizes].
        fit: its constants.
    """
    servers = jnp.maximum(servers, 1.0)
    least_s = fit.least * service.mean_s
    beyond_least = (limit_s - fit.begun * delays.residual_s - least_s) / (_SOFT * least_s)
    limit_s = least_s * (1.0 + _SOFT * jax.nn.softplus(beyond_least))
    largest = jax.nn.sigmoid(-beyond_least)
    free = delays.backlog

    # Places between limits, ascending: the limits of the largest customers come first. What is
    # summed, subtracted or turned around is a product of matrices, for which a compiler computes
    # it once, and in vectors.
    sizes = work.shape[0]
    starts = np.eye(sizes + 1, sizes, -1)[:, ::-1]
    stay = np.tri(sizes, sizes + 1)[::-1]
    excess_s = jnp.maximum(limit_s - delays.rest_s - free.shift_s, 0.0)
    starts_s = _product(starts, excess_s)
    fall = 1.0 - offered * (1.0 - _product(1.0 - stay.T, work))
    fall = fall / ((1.0 - reference) * free.scale_s)
    widths_s = _product(np.diff(starts, axis=0, append=starts[-1:]), excess_s)
    widths_s = widths_s.at[-1].set(_FAR / jnp.maximum(fall[-1], 1e-6))
    logs = -_product(np.tri(sizes + 2, sizes + 1, -1), fall * widths_s)
    highest = jax.lax.stop_gradient(jnp.max(logs))
    parts = _exponential(logs - highest, starts_s + free.shift_s, widths_s)
    parts = tuple(free.chance / free.scale_s * part for part in parts)
    # Of what finds no backlog, the more comes the sooner there is one.
    at_start = (1.0 - free.chance) * reference / jnp.maximum(offered, reference)
    at_start = at_start * jnp.exp(-highest)
    whole = at_start + total(parts[0])

    # More or fewer states in which all servers are busy change the odds of that.
    chance = jnp.clip(delays.chance, 1e-30, 1.0 - 1e-6)
    odds = jnp.log(chance) - jnp.log1p(-chance) + jnp.log(likelier)
    all_busy = jax.nn.sigmoid(odds + jnp.log(whole) + highest)
    busy = all_busy / whole
    stays, first, second = (busy * _product(stay, part) for part in parts)
    # A delay without a density is one of no time, too.
    far = busy * _product(1.0 - stay, parts[0])
    few = 1.0 + fit.behind_of_few * (servers - 1.0) / servers**2
    behind = fit.behind * few * jnp.sqrt(jnp.minimum(_MANY / servers, 1.0))
    behind = jnp.minimum(behind * power(all_busy, fit.behind_rare), 1.0)
    delayed = jnp.maximum(stays + busy * at_start, 1e-9)
    mean_s = first / delayed
    variance_s2 = jnp.maximum(second / delayed - mean_s**2, 0.0)
    # Where the backlog hardly varies, batches do.
    company = fit.company * (1.0 - reference / jnp.maximum(offered, reference))
    company = company + fit.company_of_few / servers
    return Stay(
        elsewhere=far + largest * jnp.maximum(behind - far, 0.0),
        chance=jnp.minimum(delayed / jnp.maximum(1.0 - far, 1e-3), 1.0),
        mean_s=mean_s + delays.rest_s,
        variance_s2=variance_s2 + delays.rest_s2 + company * service.mean_s**2,
    )


def _product(matrix: np.ndarray, vector: jax.Array) -> jax.Array:
    """Of a constant matrix and a vector."""
    return jnp.dot(vector, jnp.asarray(matrix.T, dtype=vector.dtype))


def _exponential(
    logs: jax.Array, starts_s: jax.Array, widths_s: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Integrals of a density, and of it times t and t², over places in which it is exponential.

    Args:
        logs: of the density at the ends of the places, [places+1].
        starts_s: where the places begin [s], [places].
        widths_s: how wide they are [s], [places].
    """
    at_start, at_end = jnp.exp(logs[:-1]), jnp.exp(logs[1:])
    middle = jnp.exp(0.5 * (logs[:-1] + logs[1:]))
    fall = logs[:-1] - logs[1:]
    flat = jnp.abs(fall) < _FLAT
    steep = jnp.where(flat, 1.0, fall)
    zeroth = jnp.where(flat, (at_start + 4.0 * middle + at_end) / 6.0, (at_start - at_end) / steep)
    first = jnp.where(flat, (2.0 * middle + at_end) / 6.0, (zeroth - at_end) / steep)
    second = jnp.where(flat, (middle + at_end) / 6.0, (2.0 * first - at_end) / steep)
    zeroth, first, second = widths_s * zeroth, widths_s**2 * first, widths_s**3 * second
    return (
        zeroth,
        first + starts_s * zeroth,
        second + 2.0 * starts_s * first + starts_s**2 * zeroth,
    )
