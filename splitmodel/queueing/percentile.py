"""Percentiles over requests of (fixed part + random delay) / reference.

Requests come in cells of equal shape. Inside a cell, fixed part and reference run linearly
between the cell's edges, so that percentiles move continuously with every input and an unloaded
cluster has exactly the percentiles of its workload.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.queueing.delay import Delay
from splitmodel.queueing.solve import bracketed_root
from splitmodel.units import Scalar
from splitmodel.variables import PERCENTILES

_EXCEEDED = tuple(1.0 - percentile / 100.0 for percentile in PERCENTILES)
_ITERATIONS = 13
_BLUR = 4e-3
"""Least relative width of a cell."""


class Requests(eqx.Module):
    """A metric over cells of requests; every leaf but the delay's has the shape of `weight`."""

    fixed_low_s: Scalar
    """Fixed part at the cells' lower ends [s]."""
    fixed_high_s: Scalar
    """Fixed part at the upper ends [s]."""
    reference_low: Scalar
    """What the metric is divided by, at the lower ends; ones for a metric in seconds."""
    reference_high: Scalar
    """What the metric is divided by, at the upper ends."""
    delay: Delay
    """Random part; leaves scalar or of the cells' rank, broadcastable."""
    weight: Scalar
    """Probability of each cell, sums to one."""

    def tail(self, value: Scalar) -> Scalar:
        """Share of requests whose metric exceeds the scalar `value`."""
        low_s = value * self.reference_low - self.fixed_low_s
        high_s = value * self.reference_high - self.fixed_high_s
        # A cell without width would make the share jump, and percentiles with it.
        blur_s = _BLUR * 0.5 * (self.fixed_low_s + self.fixed_high_s) + 1e-9
        half_s = 0.5 * jnp.sqrt((high_s - low_s) ** 2 + blur_s**2)
        middle_s = 0.5 * (low_s + high_s)
        return jnp.sum(self.weight * self.delay.mean_tail(middle_s, half_s))

    def percentiles(self) -> jax.Array:
        """The metric at PERCENTILES, shape [3]."""
        exceeded = jnp.asarray(np.array(_EXCEEDED), dtype=float)
        low, high = self._bracket(exceeded)

        def excess(values: jax.Array) -> jax.Array:
            tails = jax.vmap(self.tail)(values)
            # Logarithms make the exponential tail linear, on which interpolation is exact; the
            # floor keeps the far side of a steep step from outweighing the near one.
            return jnp.log(jnp.maximum(tails / exceeded, 1e-3))

        return bracketed_root(excess, low, high, _ITERATIONS)

    def _bracket(self, exceeded: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Values between which the metric is exceeded by that share of requests.

        Nobody is below all fixed parts, and if every cell alone exceeds a value by less than the
        share, so do all. Where cells differ much, one-sided Chebyshev bounds are tighter.

        References:
            Cantelli's inequality: Ghosh, Statistics and Probability Letters 58 (2002).
        """
        ends = self.fixed_low_s / self.reference_low, self.fixed_high_s / self.reference_high
        delay, occupied = self.delay, self.weight > 0.0
        waited_s = delay.chance * delay.scale_s
        reference = 0.5 * (self.reference_low + self.reference_high)
        value = 0.5 * (ends[0] + ends[1]) + (delay.shift_s + waited_s) / reference
        # Wide cells of a ratio are not quite even, hence a fourth instead of a twelfth.
        spread = (ends[1] - ends[0]) ** 2 / 4.0
        spread += (2.0 * waited_s * delay.scale_s - waited_s**2) / reference**2
        mean = jnp.sum(self.weight * value)
        deviation = jnp.sqrt(jnp.sum(self.weight * (spread + (value - mean) ** 2)))
        odds = jnp.sqrt(exceeded / (1.0 - exceeded))

        def latest(share: jax.Array) -> jax.Array:
            wait_s = delay.shift_s + delay.scale_s * jnp.log(jnp.maximum(delay.chance / share, 1.0))
            late = (
                (self.fixed_low_s + wait_s) / self.reference_low,
                (self.fixed_high_s + wait_s) / self.reference_high,
            )
            return jnp.max(jnp.maximum(*late), where=occupied, initial=0.0)

        earliest = jnp.min(jnp.minimum(*ends), where=occupied, initial=jnp.inf)
        low = jnp.maximum(mean - deviation * odds, earliest)
        high = jnp.minimum(mean + deviation / odds, jax.vmap(latest)(exceeded))
        return (1.0 - 2.0 * _BLUR) * low, (1.0 + 2.0 * _BLUR) * high
