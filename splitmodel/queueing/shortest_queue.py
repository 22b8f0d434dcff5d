"""Delay at the shortest of n queues whose customers are served in batches.

A customer joins the queue with the least work in it, whatever is left of what its server does at
the moment. What waits there when that ends is served as one batch, as far as it fits, and a batch
takes less time than its customers one after the other.

Three known results are joined. The chance to find all servers busy has the odds of Erlang's loss
formula, times the mean number of customers that come for each one that finds exactly n others:
1/(1 − q), where q = ρ gives Erlang C. The delay of whom finds all servers busy begins with the rest
of the shortest batch in service, the least of n lengths that an inspector meets; with one server
that is the residual life of Pollaczek and Khinchine. It ends with a backlog of ρ/(1 − ρ) residual
lives over n servers. In both, ρ moves from the load of customers served alone to that of full
batches as waiting becomes common. How fast it moves, and how n enters where customers do not share
one queue, are the fitted constants below.

References:
    Janssen, van Leeuwaarden and Zwart, Advances in Applied Probability 40, 122–143 (2008), for
    Erlang's formulas in a real number of servers; Kleinrock, Queueing Systems I (1975), section
    5.7 (Pollaczek–Khinchine) and 5.2 (residual life).
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import erfc

from splitmodel.compilation import compiled_apart
from splitmodel.queueing.delay import Delay, delay_from_moments
from splitmodel.queueing.power import power
from splitmodel.units import Scalar


class QueueFit(NamedTuple):
    """Constants fitted to simulations of single prompt pools.

    `python -m splitmodel_calibration.queues` repeats the fit, and tells the errors on other pools.
    """

    unshared: float | Scalar = 0.164
    """n^this is the exponent of ρ in q: of many queues some server is idle more often."""
    unshared_equal: float | Scalar = 0.0396
    """That exponent falls by so much for every factor e of the squared variation of services."""
    filled: float | Scalar = 0.77
    """Exponent that takes the chance to wait to the share of full batches."""
    filled_equal: float | Scalar = 0.488
    """That exponent is multiplied by the squared variation of services to −this."""
    twos: float | Scalar = 0.438
    """Of the batches that waiting fills, the share that only two fill."""
    filled_delay: float | Scalar = 0.253
    """The exponent for the delay."""
    pooled: float | Scalar = 1.11
    """The backlog is shared by n^this servers."""
    queued: float | Scalar = 0.0812
    """Servers that have a queue leave fewer of which the shortest is chosen."""
    cycling: float | Scalar = 1.47
    cycling_many: float | Scalar = 2.47
    """Exponents that take the chance to wait, and 1 − 1/n, to the share of cycles."""
    refilled: float | Scalar = 0.859
    """Of what a larger batch adds to a cycle, the part that a customer waits for."""
    cycling_saved: float | Scalar = 0.338
    """Where batches save much, a cycle is not common: times packed over alone to this power."""
    even_batches: float | Scalar = 0.423
    even_cycles: float | Scalar = 0.62
    even_equal: float | Scalar = 0.227
    """Shorter queues are longer everywhere together: the more servers, the more batches take away,
    the more common cycles are, and the more equal services are, the less delays vary."""


FITTED = QueueFit()

_MANY = 60.0
"""Most servers that the constants were fitted to; delays of more of them are as even."""
_EVENEST = 3.1
"""Most of what that can take off: with more, the longest delays would shrink as the load grows."""
_STEEP = 9.0
"""Distance in deviations beyond which chances are as good as zero or one."""
_LEAST = 1e-9
"""Loads below this are none; keeps logarithms finite."""
_LEAST_BACKLOG, _LEAST_SPREAD = 1e-3, 0.2
"""Share of a delay that is beyond the rest of a service, and squared variation of that; these keep
the scale of its exponential part away from zero."""


class Sharing(NamedTuple):
    """How much customers save that are served together."""

    pair: Scalar
    """Server time per customer of a batch of two, over that of one alone."""
    most: Scalar
    """Customers in a full batch."""


class Lengths(eqx.Module):
    """Service times of customers served alone; leaves scalar unless said otherwise."""

    mean_s: Scalar
    second_s2: Scalar
    edges_s: Scalar
    """Service time at the edges of size cells, ascending [s], [cells+1]."""
    longer: Scalar
    """Share of the time in service that belongs to customers beyond each edge, [cells+1]."""


class Delays(eqx.Module):
    """Delay beyond a service alone, over customers."""

    chance: Scalar
    """Probability of any."""
    mean_s: Scalar
    """Mean of those who have one [s]."""
    variation: Scalar
    """Their squared coefficient of variation."""
    residual_s: Scalar
    """Mean rest of the shortest service in progress [s]."""
    rest_s: Scalar
    """Part of the mean delay that is such a rest [s]."""
    rest_s2: Scalar
    """Variance of that part [s²]."""

    @property
    def backlog(self) -> Delay:
        """Delay beyond that part."""
        later_s = jnp.maximum(self.mean_s - self.rest_s, _LEAST_BACKLOG * self.mean_s)
        later_s2 = self.variation * self.mean_s**2 - self.rest_s2
        return delay_from_moments(later_s, jnp.maximum(later_s2, _LEAST_SPREAD * later_s**2))


def lengths(mean_s: Scalar, second_s2: Scalar, edges_s: Scalar, weight: Scalar) -> Lengths:
    """Lengths of service in cells of sizes.

    Args:
        mean_s: mean service time [s].
        second_s2: its second moment [s²].
        edges_s: service time at the cells' edges [s], [cells+1].
        weight: probability of each cell, [cells].
    """
    inside = weight * 0.5 * (edges_s[:-1] + edges_s[1:])
    below = jnp.cumsum(inside) / jnp.maximum(jnp.sum(inside), 1e-20)
    longer = jnp.concatenate([jnp.ones_like(below[:1]), 1.0 - below])
    return Lengths(mean_s, second_s2, edges_s, jnp.clip(longer, 0.0, 1.0))


def shortest_residual(service: Lengths, servers: Scalar) -> tuple[Scalar, Scalar]:
    """Mean [s] and squared coefficient of variation of the rest of the shortest service.

    All of n servers are met at a random moment, when the length of each is that of the inspection
    paradox; the rest is even over the least of them.

    Args:
        service: lengths of service.
        servers: n, a positive real number.
    """
    edges, longer = service.edges_s, service.longer
    fall = longer[:-1] - longer[1:]
    powers = jnp.exp((servers + 1.0) * jnp.log(jnp.maximum(longer, 1e-30)))
    # Mean of longer^n over a cell inside which `longer` falls linearly.
    within = jnp.where(
        fall > 1e-6,
        (powers[:-1] - powers[1:]) / ((servers + 1.0) * jnp.where(fall > 1e-6, fall, 1.0)),
        powers[:-1] / jnp.maximum(longer[:-1], 1e-30),
    )
    areas = within * (edges[1:] - edges[:-1])
    least_s = edges[0] + jnp.sum(areas)
    least_second_s2 = edges[0] ** 2 + jnp.sum(areas * (edges[1:] + edges[:-1]))
    return 0.5 * least_s, 4.0 / 3.0 * least_second_s2 / least_s**2 - 1.0


def cycle_batch(alone: Scalar, packed: Scalar, sharing: Sharing) -> Scalar:
    """Customers in a batch of servers that are always busy, at least one.

    As many as come while one is served: k where server time per customer has fallen to 1/alone of
    that alone. Between one customer, two and a full batch, the time of a batch is taken as linear.

    Args:
        alone: load per server if every customer were served alone.
        packed: load per server if all batches were full.
        sharing: what batches save.
    """
    alone = jnp.maximum(alone, 1.0)
    most = jnp.maximum(sharing.most, 1.0 + 1e-3)
    whole = jnp.minimum(most * packed / alone, most)
    second = jnp.minimum(most, 2.0)
    pair = jnp.where(most > 2.0, jnp.clip(2.0 * sharing.pair, 1.0, 2.0), whole)
    slope = jnp.clip((pair - 1.0) / (second - 1.0), 0.0, 1.0)
    few = alone * (1.0 - slope) / jnp.maximum(1.0 - alone * slope, 1e-3)
    slope = jnp.clip((whole - pair) / jnp.maximum(most - 2.0, 1e-3), 0.0, 1.0)
    many = alone * (pair - 2.0 * slope) / jnp.maximum(1.0 - alone * slope, 1e-3)
    return jnp.clip(jnp.where(few < second, few, many), 1.0, most)


def cycle_delay_s(
    mean_s: Scalar, alone: Scalar, packed: Scalar, sharing: Sharing, fit: QueueFit = FITTED
) -> Scalar:
    """Delay beyond a service alone where many servers are always busy [s].

    A server that begins a batch gets at once all who will be in its next one. They wait for the
    whole batch, and are served in one that is as large.

    Args:
        mean_s: mean service time of a customer alone [s].
        alone: load per server if every customer were served alone.
        packed: load per server if all batches were full.
        sharing: what batches save.
        fit: its constants.
    """
    longer = cycle_batch(alone, packed, sharing) / jnp.maximum(alone, 1.0) - 1.0
    return mean_s * (1.0 + 2.0 * fit.refilled * longer)


def busy_chance(
    alone: Scalar,
    packed: Scalar,
    slack: Scalar,
    servers: Scalar,
    pair: Scalar,
    unequal: Scalar = 1.0,
    fit: QueueFit = FITTED,
) -> Scalar:
    """Chance that all servers are busy; arguments as in `shortest_queue`.

    Args:
        alone: load per server if every customer were served alone, may exceed 1.
        packed: load per server if all batches were full.
        slack: 1 − packed.
        servers: n, a real number; below one it counts as one.
        pair: server time per customer of a batch of two, over that of one alone.
        unequal: squared coefficient of variation of the services; 1 for exponential ones.
        fit: constants.
    """
    loads = _loads(alone, packed, slack, servers)
    # Beyond a load of one, more of it no longer fills batches by finding all servers busy.
    odds = loss_odds(jnp.minimum(jnp.exp(loads.alone), 1.0), loads.servers)
    filled = power(odds / (odds + slack), fit.filled * power(unequal, -fit.filled_equal))
    two = jnp.maximum(loads.alone + jnp.log(pair), loads.packed)
    full = (1.0 - fit.twos) * loads.packed + fit.twos * two
    decay = (1.0 - filled) * jnp.minimum(loads.alone, 0.0) + filled * full
    unshared = power(loads.servers, fit.unshared - fit.unshared_equal * jnp.log(unequal))
    return loads.odds / (loads.odds + _rest(unshared * decay))


class _Loads(NamedTuple):
    """Logarithms of both loads, and a first guess of how common waiting is."""

    servers: Scalar
    alone: Scalar
    packed: Scalar
    odds: Scalar
    waits: Scalar

    def at(self, exponent: Scalar) -> Scalar:
        """Between them, the nearer to that of full batches the more common waiting is."""
        filled = power(self.waits, exponent)
        return (1.0 - filled) * self.alone + filled * self.packed


def _loads(alone: Scalar, packed: Scalar, slack: Scalar, servers: Scalar) -> _Loads:
    servers = jnp.maximum(servers, 1.0)
    alone, packed = jnp.maximum(alone, _LEAST), jnp.maximum(packed, _LEAST)
    log_packed = jnp.where(packed > 0.5, jnp.log1p(-slack), jnp.log(packed))
    odds = loss_odds(alone, servers)
    return _Loads(servers, jnp.log(alone), log_packed, odds, odds / (odds + slack))


@compiled_apart
def shortest_queue(
    service: Lengths,
    alone: Scalar,
    packed: Scalar,
    slack: Scalar,
    servers: Scalar,
    cycle_s: Scalar,
    pair: Scalar,
    fit: QueueFit = FITTED,
) -> Delays:
    """Delays of customers that join the shortest of n queues with service in batches.

    Args:
        service: lengths of service alone.
        alone: load per server if every customer were served alone, may exceed 1.
        packed: load per server if all batches were full, at most `alone` and below 1.
        slack: 1 − packed, carried separately because it loses its digits near saturation.
        servers: n, a real number; below one it counts as one.
        cycle_s: delay where many servers are always busy [s].
        pair: server time per customer of a batch of two, over that of one alone.
        fit: its constants.
    """
    loads = _loads(alone, packed, slack, servers)
    servers = loads.servers
    unequal = jnp.clip(service.second_s2 / service.mean_s**2 - 1.0, 0.02, 3.0)
    chance = busy_chance(alone, packed, slack, servers, pair, unequal, fit)
    at_best_s, at_best_variation = shortest_residual(service, servers)
    busy = loads.at(fit.filled_delay)
    several = 1.0 - 1.0 / servers
    backlog = 1.0 / _rest(busy) / power(servers, fit.pooled) + fit.queued * several**2
    backlog = jnp.exp(jnp.minimum(busy, 0.0)) * backlog
    cycling = power(chance, fit.cycling) * power(several, fit.cycling_many)
    cycling = cycling * jnp.exp(fit.cycling_saved * (loads.packed - loads.alone))
    rest_s = (1.0 - cycling) * at_best_s
    mean_s = rest_s + cycling * cycle_s + 0.5 * service.second_s2 / service.mean_s * backlog
    first = rest_s / mean_s
    saved = -jnp.expm1(loads.packed - loads.alone)
    even = fit.even_batches * saved + fit.even_cycles * cycling
    even = even - fit.even_equal * jnp.log(unequal)
    even = even * jnp.log(jnp.minimum(servers, _MANY))
    even = -_EVENEST * jnp.expm1(-even / _EVENEST)
    variation = jnp.exp(first * jnp.log(at_best_variation) - (1.0 - first) * even)
    return Delays(chance, mean_s, variation, at_best_s, rest_s, at_best_variation * rest_s**2)


def _rest(log_load: Scalar) -> Scalar:
    """1 − load, at least what float32 can tell from zero."""
    return jnp.maximum(-jnp.expm1(jnp.minimum(log_load, 0.0)), 1e-5)


@jax.jit
def loss_odds(load: Scalar, servers: Scalar) -> Scalar:
    """Odds that all of n servers are busy where whom they cannot serve at once is lost.

    Args:
        load: per server if nobody was lost, positive; may exceed 1.
        servers: n, a real number, at least one.

    References:
        Janssen, van Leeuwaarden and Zwart (2008), theorem 3.
    """
    log_load, off = jnp.log(load), load - 1.0
    # Where load is near one, digits of load − 1 − log(load) cancel.
    excess = jnp.where(jnp.abs(off) < 0.02, off**2 * (0.5 - off / 3.0), off - log_load)
    deviations = jnp.sqrt(jnp.maximum(2.0 * servers * excess, 1e-12))
    deviations = jnp.minimum(deviations, _STEEP)
    signed = jnp.where(off < 0.0, deviations, -deviations)
    mills = jnp.sqrt(jnp.pi / 2.0) * erfc(-signed / jnp.sqrt(2.0)) * jnp.exp(0.5 * signed**2)
    lost = jnp.sqrt(servers) * mills + 2.0 / 3.0
    return 1.0 / jnp.maximum(lost - 1.0, 1e-3)
