"""Batches that a backlog fills, first come, first served.

A batch takes customers off the backlog until the next one would exceed its limit; that one begins
the next batch. One that exceeds the limit by itself is served alone. This is the Next Fit rule of
bin packing: who begins a batch decides, with whoever comes next, who begins the next one, so that
batches are a Markov chain in the size of their first customer. Within a batch, how full it has been
is a renewal process.

Sizes are looked at in steps of a 32nd of the limit; between two of them, a customer counts as some
of both, with the mean kept.

References:
    Coffman, So, Hofri and Yao, A stochastic model of bin packing, Information and Control 44,
    105–115 (1980), for the chain; Feller, An Introduction to Probability Theory I (1968), chapter
    XIII, for discrete renewals.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.units import Scalar

_STEPS = 32
_DOUBLINGS = 6
"""Each doubles the digits of an inverse power series: 2^6 of 33."""
_BATCHES = 10
"""After so many, the first batch of all no longer matters."""


class FullBatches(eqx.Module):
    """Batches out of an endless backlog."""

    fill: Scalar
    """How full a batch can be, ascending, [places]."""
    closes: Scalar
    """Batches of each fill per customer, those of customers beyond the limit left out, [places]."""
    inside: Scalar
    """Share of each size cell within the limit, [cells]."""
    inside_size: Scalar
    """Mean size of those times that share, [cells]."""
    customers: Scalar
    """Customers in a batch, those beyond the limit left out, at least one."""


def full_batches(edges: Scalar, means: Scalar, weight: Scalar, limit: Scalar) -> FullBatches:
    """How customers of many sizes fill batches.

    Args:
        edges: of the size cells, ascending, [cells+1]. On both sides of its mean, sizes are even
            over a cell.
        means: of the cells, [cells].
        weight: probability of each cell, [cells].
        limit: of the sizes in a batch, positive.
    """
    places = limit * jnp.asarray(np.linspace(0.0, 1.0, _STEPS + 1), dtype=float)
    below, total = jax.vmap(lambda size: _below(size, edges, means))(places)
    mass, size = (jnp.diff(jnp.dot(each, weight)) for each in (below, total))
    # A customer between two places is at both, with the mean kept.
    upper = (size - mass * places[:-1]) / jnp.diff(places)
    none = jnp.zeros_like(upper[:1])
    chance = jnp.concatenate([none, upper]) + jnp.concatenate([mass - upper, none])
    beyond = jnp.maximum(1.0 - jnp.sum(mass), 0.0)

    # How often a batch is so full on its way from one place to another, the inverse of 1 − chance.
    start, end = np.indices((_STEPS + 1, _STEPS + 1))
    unmoved = jnp.eye(_STEPS + 1) - jnp.where(end >= start, chance[np.maximum(end - start, 0)], 0.0)
    visits = jnp.eye(_STEPS + 1) / jnp.maximum(1.0 - chance[0], 1e-3)
    for _ in range(_DOUBLINGS):
        visits = 2.0 * visits - visits @ unmoved @ visits
    # From each fill, chances of a next customer of each size that does not fit.
    exceeds = jnp.where(start + end > _STEPS, chance[None, :], 0.0)
    follows = visits @ exceeds
    ends = jnp.sum(visits, axis=1)

    first, alone = chance, beyond
    for _ in range(_BATCHES):
        after = first @ follows + alone * chance
        after_alone = beyond * (first @ ends + alone)
        batches = jnp.sum(after) + after_alone
        first, alone = after / batches, after_alone / batches
    filled = first @ visits
    closes = filled * (jnp.sum(exceeds, axis=1) + beyond)
    together = jnp.sum(filled)
    return FullBatches(
        fill=places,
        closes=closes / (together + alone),
        inside=below[-1],
        inside_size=total[-1],
        customers=jnp.maximum(together / jnp.maximum(jnp.sum(closes), 1e-9), 1.0),
    )


def _below(size: Scalar, edges: Scalar, means: Scalar) -> tuple[Scalar, Scalar]:
    """Share of each cell below a size, and the mean of those times that share, [cells]."""
    low, high = edges[:-1], edges[1:]
    upper = jnp.clip((means - low) / jnp.maximum(high - low, 1e-6), 0.0, 1.0)
    share = total = 0.0
    for part, start, end in ((1.0 - upper, low, means), (upper, means, high)):
        width = jnp.maximum(end - start, 1e-6)
        passed = jnp.clip((size - start) / width, 0.0, 1.0)
        share = share + part * passed
        total = total + part * passed * (start + 0.5 * passed * width)
    return share, total
