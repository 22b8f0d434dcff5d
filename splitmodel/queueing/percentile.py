"""Percentiles over requests of (fixed part + random delay) / reference.

Requests come in kinds, those of a kind in cells. Inside a cell, fixed part and reference run
linearly between the cell's edges, so that percentiles move continuously with every input and an
unloaded cluster has exactly the percentiles of its workload.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.compilation import total
from splitmodel.queueing.delay import Delay, mean_tail
from splitmodel.queueing.interpolation import Bracket, bracket_among, spot
from splitmodel.queueing.quick_exp import quick_both, quick_fall
from splitmodel.queueing.solve import EXTRA_FOR_FLOAT64, implicit_tangent
from splitmodel.units import Scalar
from splitmodel.variables import PERCENTILES

EXCEEDED = tuple(1.0 - percentile / 100.0 for percentile in PERCENTILES)
"""Share of requests that exceed each percentile."""
_OF_ALL = (0.0, 1.2, 3.0)
_OF_CERTAIN = 1.3
"""Where the search begins, in deviations from the mean: of the metric, and of what is certain of
it, near which percentiles lie where few wait."""
_OF_TYPICAL = 0.25
"""Share of the cells' harmonic mean below which no median is sought: half of what bounds it where
cells have no width."""
_STEPS, _STEPS_IN_SECONDS = 7, 9
"""From there to the percentile: as a ratio, where cells overlap, and in seconds, where they lie
apart and the tail has kinks. In float32 this meets the bounds of tests/queueing."""
_BEYOND = 1e-4
"""Share of a level by which a tail is below it at the percentile. Where nobody lies between two
cells, a tail is at a level for long; here the next cell begins, however sums are rounded."""
_BLUR = 4e-3
"""Least relative width of a cell."""
_VECTOR = 16
"""Numbers of float32 in the widest vector of a CPU."""


class _Cells(eqx.Module):
    """Cells of a kind, ready for many evaluations; all in scales of each cell's delay.

    Leaves have one shape, but for what is the same for all cells.
    """

    def vectors(self) -> list[_Cells]:
        """The same in parts, so that shares are added before they go through memory."""
        size = max(leaf.size for leaf in jax.tree.leaves(self))
        width = _VECTOR if size % _VECTOR == 0 else size
        parts = (slice(start, start + width) for start in range(0, size, width))
        return [jax.tree.map(lambda leaf, p=p: leaf[p] if leaf.ndim else leaf, self) for p in parts]

    @abstractmethod
    def exceeding(self, value: Scalar) -> jax.Array:
        """Requests of each cell whose metric exceeds the scalar `value`, as a share of all."""


class _Ratios(_Cells):
    """Cells of a metric over a reference.

    A request with place x in [−1, 1] in its cell exceeds a value if its delay exceeds
    value · (reference + x · reference_half) − (fixed + x · fixed_half).
    """

    reference: Scalar
    reference_half: Scalar
    fixed: Scalar
    fixed_half: Scalar
    least_half: Scalar
    """A cell without width would make the share jump, and percentiles with it."""
    chance: Scalar
    weight: Scalar

    def exceeding(self, value: Scalar) -> jax.Array:
        middle = value * self.reference - self.fixed
        half = jnp.abs(value * self.reference_half - self.fixed_half)
        half = jnp.where(half > self.least_half, half, self.least_half)
        return self.weight * mean_tail(middle, half, self.chance)


class _Seconds(_Cells):
    """Cells of a metric without a reference, which keep their widths at all values.

    What does not depend on the value is computed beforehand, and one exponential is left: at the
    near end of a cell that lies before the value, at the far end of one that the value is in.
    """

    per_s: Scalar
    high: Scalar
    """Where the fixed part and the shift of the delay end."""
    width: Scalar
    uniform: Scalar
    """Weight over width."""
    partly: Scalar
    """That, times the chance."""
    wholly: Scalar
    """Weight with a delay, of which the averaged exponential begins at the cell's upper end."""

    def exceeding(self, value: Scalar) -> jax.Array:
        low = value * self.per_s - self.high
        high = low + self.width
        before = jnp.where(high > 0.0, -low, self.width)
        later = jnp.where(low > 0.0, low, jnp.where(high > 0.0, high, 0.0))
        left, fallen = quick_both(-later)
        inside = self.uniform * before + self.partly * fallen
        return jnp.where(low > 0.0, self.wholly * left, inside)


@jax.jit
def _tail(kinds: tuple[_Cells, ...], value: Scalar) -> jax.Array:
    """Share of requests whose metric exceeds the scalar `value`."""
    vectors = [vector for cells in kinds for vector in cells.vectors()]
    return total(reduce(add, [vector.exceeding(value) for vector in vectors]))


class Requests(eqx.Module):
    """A metric over requests of a kind; every leaf but the delay's has the shape of `weight`.

    For several metrics over cells of one shape, leaves have an axis more, the first.
    """

    fixed_low_s: Scalar
    """Fixed part at the cells' lower ends [s]."""
    fixed_high_s: Scalar
    """Fixed part at the upper ends [s]."""
    reference_low: Scalar | None
    """What the metric is divided by, at the lower ends; None for a metric in seconds."""
    reference_high: Scalar | None
    """What the metric is divided by, at the upper ends."""
    delay: Delay
    """Random part; leaves scalar or of the cells' rank, broadcastable."""
    weight: Scalar
    """Probability of each cell; over all kinds, sums to one."""

    @jax.jit
    def cells(self) -> _Cells:
        """Ready for many evaluations."""

        def each(leaf: Scalar) -> jax.Array:
            return jnp.broadcast_to(leaf, self.weight.shape if leaf.ndim else ())

        per_s = 1.0 / self.delay.scale_s
        fixed_s = 0.5 * (self.fixed_low_s + self.fixed_high_s)
        fixed = (fixed_s + self.delay.shift_s) * per_s
        fixed_half = 0.5 * (self.fixed_high_s - self.fixed_low_s) * per_s
        least_half = (0.5 * _BLUR * fixed_s + 1e-9) * per_s
        if self.reference_low is not None:
            return _Ratios(
                reference=each(0.5 * (self.reference_low + self.reference_high) * per_s),
                reference_half=each(0.5 * (self.reference_high - self.reference_low) * per_s),
                fixed=each(fixed),
                fixed_half=each(fixed_half),
                least_half=each(least_half),
                chance=each(self.delay.chance),
                weight=each(self.weight),
            )
        half = jnp.abs(fixed_half)
        half = jnp.where(half > least_half, half, least_half)
        uniform = 0.5 * self.weight / half
        partly = uniform * self.delay.chance
        return _Seconds(
            per_s=each(per_s),
            high=each(fixed + half),
            width=each(2.0 * half),
            uniform=each(uniform),
            partly=each(partly),
            wholly=each(partly * quick_fall(-2.0 * half)),
        )

    @jax.jit
    def certain(self) -> _Certain:
        """What is certain of each cell, and what it waits for."""
        low = self.fixed_low_s + self.delay.shift_s
        high = self.fixed_high_s + self.delay.shift_s
        per_reference = 1.0
        if self.reference_low is not None and self.reference_high is not None:
            low, high = low / self.reference_low, high / self.reference_high
            per_reference = 2.0 / (self.reference_low + self.reference_high)
        earliest = jnp.minimum(low, high)
        return _Certain(
            weight=self.weight,
            earliest=jnp.min(earliest, where=self.weight > 0.0, initial=jnp.inf),
            middle=0.5 * (low + high),
            # Wide cells of a ratio are not quite even, hence a fourth instead of a twelfth.
            spread=(high - low) ** 2 / 4.0,
            waited=self.delay.chance * self.delay.scale_s * per_reference,
            variance=self.delay.variance_s2 * per_reference**2,
        )


Kinds = tuple[Requests, ...]
"""Requests whose delays are of different kinds: together, all of them."""


class _Certain(NamedTuple):
    """A metric without what is random, by cell but for the earliest, and the moments of that."""

    weight: Scalar
    earliest: Scalar
    middle: Scalar
    spread: Scalar
    waited: Scalar
    variance: Scalar


def _first_tried(kinds: Kinds) -> jax.Array:
    """Values where the search begins; everybody exceeds the first one, hardly anyone the last.

    References:
        Cantelli's inequality: Ghosh, Statistics and Probability Letters 58 (2002).
    """
    every = [kind.certain() for kind in kinds]

    def mean(value: Callable[[_Certain], Scalar]) -> jax.Array:
        return reduce(add, [total(each.weight * value(each)) for each in every])

    def at_deviations(
        value: Callable[[_Certain], Scalar],
        variance: Callable[[_Certain], Scalar],
        places: tuple[float, ...],
    ) -> jax.Array:
        """In one pass, whose rounding counts for little beside the blur."""
        middle = mean(value)
        square = mean(lambda each: variance(each) + (1.0 + _BLUR**2) * value(each) ** 2)
        deviation = jnp.sqrt(jnp.maximum(square - middle**2, (_BLUR * middle) ** 2))
        return middle + deviation * jnp.asarray(np.array(places), dtype=float)

    # The harmonic mean is near most requests, however long a few others take; where they are
    # alike, beyond them.
    typical = (1.0 + _BLUR) / mean(lambda each: 1.0 / jnp.maximum(each.middle, 1e-9))
    # Half of all take at least half of that (Markov's inequality, of the inverse).
    earliest = reduce(jnp.minimum, [each.earliest for each in every])
    least = jnp.maximum((1.0 - _BLUR) * earliest, _OF_TYPICAL * typical)
    rarest = min(EXCEEDED)
    farthest = ((1.0 - rarest) / rarest) ** 0.5
    values = [
        typical[None],
        at_deviations(lambda each: each.middle, lambda each: each.spread, (_OF_CERTAIN,)),
        at_deviations(
            lambda each: each.middle + each.waited,
            lambda each: each.spread + each.variance,
            (*_OF_ALL, farthest),
        ),
    ]
    values = jnp.maximum(jnp.concatenate(values), least)
    return jax.lax.stop_gradient(jnp.concatenate([least[None], values]))


def tails(kinds: Kinds, values: Scalar) -> jax.Array:
    """Share of requests whose metric exceeds each of `values`, shape [values]."""
    cells = tuple(kind.cells() for kind in kinds)
    return jax.lax.map(lambda value: _tail(cells, value), values)


def percentiles(metrics: Kinds) -> jax.Array:
    """Several metrics at PERCENTILES, ascending, shape [metrics, 3].

    Args:
        metrics: kinds of requests, with the axis of metrics.
    """
    cells = tuple(jax.vmap(Requests.cells)(kind) for kind in metrics)
    return jax.lax.cummax(_found(cells, jax.vmap(_first_tried)(metrics)), axis=1)


@jax.custom_jvp
@jax.jit
def _found(cells: tuple[_Cells, ...], tried: jax.Array) -> jax.Array:
    """Where the tails of several metrics fall to EXCEEDED, [metrics, levels].

    Args:
        cells: with the axis of metrics.
        tried: values where the search begins, [metrics, tried].
    """
    count, levels = tried.shape[0], len(EXCEEDED)
    levels_below = np.array(EXCEEDED) * (1.0 - _BEYOND)
    exceeded = jnp.tile(jnp.asarray(levels_below, dtype=float), count)

    # In vectors over all metrics and levels: of matrices with an axis of three, the compiler makes
    # no vector instructions, and the search takes longer than the tails.
    def step(_: jax.Array, bracket: Bracket) -> Bracket:
        points = bracket.inside
        tails = _tails(cells, points.reshape(count, levels)).ravel()
        return bracket.narrowed(spot(points, tails / exceeded))

    steps = _STEPS_IN_SECONDS if isinstance(cells[0], _Seconds) else _STEPS
    if tried.dtype == jnp.float64:
        steps += EXTRA_FOR_FLOAT64
    # One after another in a loop, which has the cells in memory: in one expression with several
    # points, the compiler would make each cell anew for every point.
    shared = jax.lax.map(lambda points: jax.vmap(_tail)(cells, points), tried[:, 1:-1].T)
    least, *inner, most = (jnp.repeat(points, levels) for points in tried.T)
    shares = [jnp.repeat(tails, levels) for tails in shared]
    spots = [spot(points, tails / exceeded) for points, tails in zip(inner, shares, strict=True)]
    nobody = jnp.zeros_like(most)
    bracket = bracket_among([spot(least, 1.0 / exceeded), *spots, spot(most, nobody)])
    return jax.lax.fori_loop(0, steps, step, bracket).crossing.reshape(count, levels)


def _tails(cells: tuple[_Cells, ...], points: jax.Array) -> jax.Array:
    """Tails of several metrics at points of shape [metrics, levels]."""
    at_levels = jax.vmap(_tail, in_axes=(None, 0))
    return jax.vmap(at_levels)(cells, points)


@_found.defjvp
def _found_jvp(
    primals: tuple[tuple[_Cells, ...], jax.Array],
    tangents: tuple[tuple[_Cells, ...], jax.Array],
) -> tuple[jax.Array, jax.Array]:
    """The implicit derivative; zero where the tail is flat."""
    cells, tried = primals
    found = _found(cells, tried)
    _, change = jax.jvp(lambda cells: _tails(cells, found), (cells,), tangents[:1])
    _, slope = jax.jvp(lambda points: _tails(cells, points), (found,), (jnp.ones_like(found),))
    return found, implicit_tangent(change, slope)
