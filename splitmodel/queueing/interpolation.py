"""Where tails fall to one, by inverse cubic interpolation of their logarithms.

For tails that are costly to evaluate: a crossing is approached from both sides, out of two points
on each. Several functions are narrowed down at once.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp

_INSIDE = 0.4
"""Least distance of a new point from the bracket's ends, as a share of its width: where the
function bends much, or is flat, both ends still draw near."""
_FLOOR = 1e-3
"""Lower values count as this, lest the far side of a steep step outweigh the near one."""


class Spot(NamedTuple):
    """A point, and there the logarithm of a falling function; arrays of one shape."""

    point: jax.Array
    log: jax.Array


def spot(point: jax.Array, value: jax.Array) -> Spot:
    """Spot of a function that has this value at this point."""
    return Spot(point, jnp.log(jnp.maximum(value, _FLOOR)))


class Bracket(NamedTuple):
    """Two spots on each side of a crossing of one, ascending; at first one of them twice.

    Points are positive.
    """

    before: Spot
    left: Spot
    right: Spot
    after: Spot

    @property
    @jax.jit  # traced once for all that are of one shape
    def crossing(self) -> jax.Array:
        """Where a monotone cubic through the inner spots is at one.

        References:
            Fritsch and Butland, SIAM Journal on Scientific and Statistical Computing 5, 300–304
            (1984), for the slopes; here the point is interpolated as a function of the logarithm.
        """
        left, right = self.left.point, self.right.point
        falls = [high.log - low.log for high, low in pairwise(self)]
        gaps = [high.point - low.point for low, high in pairwise(self)]
        share = jnp.clip(_quotient(self.left.log, falls[1]), 0.0, 1.0)
        rest = 1.0 - share
        growths = [falls[1] * _mean_slope(gaps[k : k + 2], falls[k : k + 2]) for k in (0, 1)]
        crossing = rest**2 * ((1.0 + 2.0 * share) * left + share * growths[0])
        crossing += share**2 * ((1.0 + 2.0 * rest) * right - rest * growths[1])
        return jnp.clip(crossing, left, right)

    @property
    def inside(self) -> jax.Array:
        """Where to look next."""
        left, right = self.left.point, self.right.point
        # In ratios: brackets begin wide where a few wait for long, and most hardly.
        middle = jnp.sqrt(left * right)
        low = middle - (1.0 - 2.0 * _INSIDE) * (middle - left)
        return jnp.clip(self.crossing, low, middle * middle / low)

    @jax.jit
    def narrowed(self, new: Spot) -> Bracket:
        """The bracket with one more spot, wherever that lies."""
        above, below = new.log > 0.0, new.log <= 0.0
        nearest_above = above & (new.point > self.left.point)
        nearest_below = below & (new.point < self.right.point)
        return Bracket(
            _chosen(
                nearest_above,
                self.left,
                _chosen(above & (new.point > self.before.point), new, self.before),
            ),
            _chosen(nearest_above, new, self.left),
            _chosen(nearest_below, new, self.right),
            _chosen(
                nearest_below,
                self.right,
                _chosen(below & (new.point < self.after.point), new, self.after),
            ),
        )


def bracket_between(left: Spot, right: Spot) -> Bracket:
    """Bracket between two spots, at the first of which the function is above one."""
    return Bracket(left, left, right, right)


def _chosen(where: jax.Array, one: Spot, other: Spot) -> Spot:
    return Spot(*(jnp.where(where, *each) for each in zip(one, other, strict=True)))


def _mean_slope(gaps: list[jax.Array], falls: list[jax.Array]) -> jax.Array:
    """Growth of the point per fall of the value, between two intervals: weighted harmonic mean."""
    weights = 2.0 * falls[1] + falls[0], falls[1] + 2.0 * falls[0]
    inverse = weights[0] * _quotient(falls[0], gaps[0]) + weights[1] * _quotient(falls[1], gaps[1])
    return _quotient(weights[0] + weights[1], inverse)


def _quotient(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    positive = denominator > 0.0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1.0), 0.0)
