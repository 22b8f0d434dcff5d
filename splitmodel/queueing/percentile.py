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
_ITERATIONS = 12
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
        exceeding = (
            self.delay.integrated_tail_s(middle_s + half_s)
            - self.delay.integrated_tail_s(middle_s - half_s)
        ) / (2.0 * half_s)
        return jnp.sum(self.weight * exceeding)

    def percentiles(self) -> jax.Array:
        """The metric at PERCENTILES, shape [3]."""
        exceeded = jnp.asarray(np.array(_EXCEEDED), dtype=float)
        low, high = jax.vmap(self._bracket, out_axes=(None, 0))(exceeded)

        def excess(values: jax.Array) -> jax.Array:
            tails = jax.vmap(self.tail)(values)
            # Logarithms make the exponential tail linear, on which regula falsi is exact; the
            # floor keeps the far side of a steep step from outweighing the near one.
            return jnp.log(jnp.maximum(tails / exceeded, 1e-3))

        return bracketed_root(excess, low * jnp.ones_like(high), high, _ITERATIONS)

    def _bracket(self, exceeded: Scalar) -> tuple[Scalar, Scalar]:
        """A value that every request exceeds, and one that less than `exceeded` of each cell do."""
        ends = (
            (self.fixed_low_s, self.reference_low),
            (self.fixed_high_s, self.reference_high),
        )
        waits = jnp.log(jnp.maximum(self.delay.chance / exceeded, 1.0)) + 1e-3
        delay_s = self.delay.shift_s + self.delay.scale_s * waits
        occupied = self.weight > 0.0
        earliest = [jnp.min(fixed / ref, where=occupied, initial=jnp.inf) for fixed, ref in ends]
        latest = [
            jnp.max((fixed + delay_s) / ref, where=occupied, initial=0.0) for fixed, ref in ends
        ]
        return (1.0 - _BLUR) * jnp.minimum(*earliest), (1.0 + _BLUR) * jnp.maximum(*latest)
