"""Where tails fall to one, by inverse cubic interpolation of their logarithms.

For tails that are costly to evaluate: a crossing is approached from both sides, out of two points
on each. Several functions are narrowed down at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
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
    """Two spots on each side of a crossing of one, ascending; they may be one spot twice.

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
        """The bracket with one more spot, between the inner ones."""
        above = new.log > 0.0
        return Bracket(
            _chosen(above, self.left, self.before),
            _chosen(above, new, self.left),
            _chosen(above, self.right, new),
            _chosen(above, self.after, self.right),
        )


@jax.jit
def bracket_among(spots: list[Spot]) -> Bracket:
    """Bracket of the nearest two of many spots on each side.

    Args:
        spots: the first and the last are its ends, whatever the function is there; the others may
            lie in any order.
    """
    above = [spots[0].point > 0.0, *(each.log > 0.0 for each in spots[1:-1])]
    below = [*(~own for own in above[1:]), spots[-1].point > 0.0]
    left = _outermost(spots[:-1], above, jnp.maximum, -jnp.inf)
    # Rounded values may rise in between.
    below = [own & (each.point > left.point) for own, each in zip(below, spots[1:], strict=True)]
    below[-1] = spots[-1].point > 0.0
    right = _outermost(spots[1:], below, jnp.minimum, jnp.inf)
    above = [own & (each.point < left.point) for own, each in zip(above, spots[:-1], strict=True)]
    below = [own & (each.point > right.point) for own, each in zip(below, spots[1:], strict=True)]
    before = _outermost(spots[:-1], above, jnp.maximum, -jnp.inf)
    after = _outermost(spots[1:], below, jnp.minimum, jnp.inf)
    return Bracket(
        _chosen(jnp.isfinite(before.point), before, left),
        left,
        right,
        _chosen(jnp.isfinite(after.point), after, right),
    )


def _outermost(
    spots: list[Spot], own: list[jax.Array], beyond: Callable[..., jax.Array], none: float
) -> Spot:
    """Of the spots that are `own`, the one whose point is the greatest, or the least."""
    points = [jnp.where(each, at.point, none) for each, at in zip(own, spots, strict=True)]
    point = reduce(beyond, points)
    log = jnp.zeros_like(point)
    for at, candidate in zip(spots, points, strict=True):
        log = jnp.where(candidate == point, at.log, log)
    return Spot(point, log)


def _chosen(where: jax.Array, one: Spot, other: Spot) -> Spot:
    return Spot(*(jnp.where(where, *each) for each in zip(one, other, strict=True)))


def _mean_slope(gaps: list[jax.Array], falls: list[jax.Array]) -> jax.Array:
    """Growth of the point per fall of the value, between two intervals: weighted harmonic mean.

    An interval without width does not count.
    """
    weights = 2.0 * falls[1] + falls[0], falls[1] + 2.0 * falls[0]
    widths = [jnp.where(gap > 0.0, gap, 1.0) for gap in gaps]
    steep = [jnp.where(gap > 0.0, fall, 0.0) for gap, fall in zip(gaps, falls, strict=True)]
    # One division; they take most of the time of a search's step.
    inverse = weights[0] * steep[0] * widths[1] + weights[1] * steep[1] * widths[0]
    return _quotient((weights[0] + weights[1]) * widths[0] * widths[1], inverse)


def _quotient(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    positive = denominator > 0.0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1.0), 0.0)
