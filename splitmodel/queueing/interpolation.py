"""Where tabulated tails fall to one, by inverse cubic interpolation of their logarithms.

For several tails that are costly to evaluate and close enough to share a table, from which the
evaluations go on between the two points around each crossing.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp

_INSIDE = 0.25
"""Least distance of a new point from the bracket's ends, as a share of its width: where the
function bends much, both ends still draw near."""
_FLOOR = 1e-3
"""Lower values count as this, lest the far side of a steep step outweigh the near one."""


class Bracket(NamedTuple):
    """Two points on each side of a crossing, ascending, and the values there, descending."""

    points: tuple[jax.Array, jax.Array, jax.Array, jax.Array]
    values: tuple[jax.Array, jax.Array, jax.Array, jax.Array]

    @property
    def crossing(self) -> jax.Array:
        """Where a monotone cubic through the inner points is at one.

        References:
            Fritsch and Butland, SIAM Journal on Scientific and Statistical Computing 5, 300–304
            (1984), for the slopes; here the point is interpolated as a function of the logarithm.
        """
        _, left, right, _ = self.points
        logs = [jnp.log(jnp.maximum(value, _FLOOR)) for value in self.values]
        falls = [high - low for high, low in pairwise(logs)]
        gaps = [high - low for low, high in pairwise(self.points)]
        share = jnp.clip(_quotient(logs[1], falls[1]), 0.0, 1.0)
        rest = 1.0 - share
        growths = [falls[1] * _mean_slope(gaps[k : k + 2], falls[k : k + 2]) for k in (0, 1)]
        crossing = rest**2 * ((1.0 + 2.0 * share) * left + share * growths[0])
        crossing += share**2 * ((1.0 + 2.0 * rest) * right - rest * growths[1])
        return jnp.clip(crossing, left, right)

    def narrowed(self, function: Callable[[jax.Array], jax.Array]) -> Bracket:
        """The bracket with one more evaluation inside."""
        (p0, p1, p2, p3), (v0, v1, v2, v3) = self
        margin = _INSIDE * (p2 - p1)
        x = jnp.clip(self.crossing, p1 + margin, p2 - margin)
        value = function(x)
        # The comparison is of the value as it is: of its logarithm, evaluated and rounded anew for
        # each use, the sign might differ between two of them.
        return jax.tree.map(
            lambda above, below: jnp.where(value > 1.0, above, below),
            Bracket((p1, x, p2, p3), (v1, value, v2, v3)),
            Bracket((p0, p1, x, p2), (v0, v1, value, v2)),
        )


def bracket_in_table(points: jax.Array, values: jax.Array) -> Bracket:
    """Brackets of the crossings of several functions in one table.

    Args:
        points: in any order, shape [points].
        values: descending along the points, at the least of them above one, at the greatest at
            most one, shape [functions, points].

    Returns:
        Bracket of arrays of shape [functions].
    """
    points = jnp.broadcast_to(points[None, :], values.shape)
    above = values > 1.0
    left, right = _greatest(points, above), _least(points, ~above)
    before, after = points < left[:, None], points > right[:, None]
    return Bracket(
        (_greatest(points, before), left, right, _least(points, after)),
        (
            _least(values, before),
            _least(values, above),
            _greatest(values, ~above),
            _greatest(values, after),
        ),
    )


def _greatest(values: jax.Array, where: jax.Array) -> jax.Array:
    """Greatest in each row of those marked; where none is, the least of all."""
    return jnp.max(jnp.where(where, values, jnp.min(values, axis=1, keepdims=True)), axis=1)


def _least(values: jax.Array, where: jax.Array) -> jax.Array:
    """Least in each row of those marked; where none is, the greatest of all."""
    return -_greatest(-values, where)


def _mean_slope(gaps: list[jax.Array], falls: list[jax.Array]) -> jax.Array:
    """Growth of the point per fall of the value, between two intervals: weighted harmonic mean."""
    weights = 2.0 * falls[1] + falls[0], falls[1] + 2.0 * falls[0]
    inverse = weights[0] * _quotient(falls[0], gaps[0]) + weights[1] * _quotient(falls[1], gaps[1])
    return _quotient(weights[0] + weights[1], inverse)


def _quotient(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    positive = denominator > 0.0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1.0), 0.0)
