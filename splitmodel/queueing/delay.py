"""A random delay by its first two or three moments: an atom at a shift, then an exponential tail.

Delays more variable than an exponential are zero with some probability and exponential
otherwise, as the wait of an M/M/n queue is; less variable ones are a constant plus an
exponential. Both meet where the coefficient of variation is one.

References:
    Tijms, A First Course in Stochastic Models (2003), appendix B, for two-moment fits.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from splitmodel.queueing.power import power
from splitmodel.queueing.quick_exp import quick_exp, quick_fall
from splitmodel.units import Scalar

_TINY_S = 1e-7
"""Delays below this are zero for every purpose here; keeps divisions finite [s]."""
_MOST_SKEWED = 30.0
"""Variance of an exponential time that is as skewed, over a delay's own, beyond which that counts
as this."""
_LEAST_DEVIATION = 1e-5
"""Of a delay, over its mean, for the same reason. Small, as it begins by that much too early."""


class Delay(eqx.Module):
    """P(delay > t) = chance · exp(−(t − shift)/scale) for t > shift, else 1."""

    shift_s: Scalar
    chance: Scalar
    scale_s: Scalar

    @property
    def mean_s(self) -> Scalar:
        """Mean [s]."""
        return self.shift_s + self.chance * self.scale_s

    @property
    def variance_s2(self) -> Scalar:
        """Variance [s²]."""
        return self.chance * (2.0 - self.chance) * self.scale_s**2

    def beyond(self, time_s: Scalar) -> Scalar:
        """P(delay > time)."""
        later_s = time_s - self.shift_s
        tail = self.chance * jnp.exp(-jnp.maximum(later_s, 0.0) / self.scale_s)
        return jnp.where(later_s > 0.0, tail, 1.0)


@jax.jit
def mean_tail(middle: Scalar, half: Scalar, chance: Scalar) -> Scalar:
    """P(delay > t), averaged over t within `middle` ± `half`; times in scales after the shift.

    Args:
        middle: (t − shift)/scale in the middle of the interval.
        half: half its width, positive.
        chance: as in `Delay`.
    """
    # Selections, because the derivative of a maximum compares it with its arguments, and these are
    # rounded otherwise where the compiler evaluates them anew.
    low, high = middle - half, middle + half
    start = jnp.where(low > 0.0, low, 0.0)
    before = jnp.where(high > 0.0, start - low, 2.0 * half)
    area = quick_exp(-start) * quick_fall(before - 2.0 * half)
    return (before + chance * area) / (2.0 * half)


def even_variance_s2(mean_s: Scalar, variance_s2: Scalar) -> Scalar:
    """Part of a delay's variance that is even, not exponential [s²]; shapes broadcast.

    Queues of many servers that are always busy have delays around a mean, with short tails on both
    sides: those of a gamma distribution of this mean and variance, nearly. None where a delay
    varies as an exponential does.
    """
    squared = variance_s2 / jnp.maximum(mean_s, _TINY_S) ** 2
    even_s2 = jnp.maximum(1.0 - jnp.sqrt(squared + 1e-20), 0.0) * variance_s2
    # With more of it, the even part would begin before zero.
    rest_s = 0.25 * mean_s * (1.0 + jnp.sqrt(jnp.maximum(12.0 * squared - 3.0, 1e-6)))
    most_s2 = jnp.where(squared > 0.25, jnp.maximum(variance_s2 - rest_s**2, 0.0), even_s2)
    return jnp.minimum(even_s2, most_s2)


def exponential_third_s3(variance_s2: Scalar) -> Scalar:
    """Third central moment of an exponential time with this variance [s³], any shape."""
    variance_s2 = jnp.maximum(variance_s2, 1e-20)
    return 2.0 * variance_s2 * jnp.sqrt(variance_s2)


@jax.jit
def skewed_delay(mean_s: Scalar, variance_s2: Scalar, third_s3: Scalar) -> tuple[Delay, Scalar]:
    """Delay with three moments, without a part that is even, and the variance of that [s²].

    Shapes broadcast. What is even has no third central moment. Of a delay that is less skewed than
    an exponential one of its variance a part is even, at most what `even_variance_s2` tells, and at
    least half of that, as what has many parts is even in the middle however long its tail. One that
    is more skewed is the shift alone in most cases.

    Args:
        mean_s: mean, at least zero [s].
        variance_s2: variance, at least zero [s²].
        third_s3: third central moment [s³].
    """
    mean_s = jnp.maximum(mean_s, _TINY_S)
    variance_s2 = jnp.maximum(variance_s2, (_LEAST_DEVIATION * mean_s) ** 2)
    # The inverse of `exponential_third_s3`.
    alike_s2 = power(jnp.maximum(0.5 * third_s3, 1e-30), 2.0 / 3.0)
    least_s2 = variance_s2 - even_variance_s2(mean_s, variance_s2)
    random_s2 = jnp.clip(alike_s2, least_s2, 0.5 * (least_s2 + variance_s2))
    # Squared skewness (6 − 6c + 2c²)²/(c(2 − c)³) of one with the chance c, solved for it to 5%.
    skewness = 4.0 * jnp.clip(alike_s2 / random_s2, 1.0, _MOST_SKEWED) ** 3
    chance = 4.5 / (skewness + 2.25 - 112.0 / skewness**3)
    # With more, the shift would be negative.
    chance = jnp.minimum(chance, 2.0 * mean_s**2 / (mean_s**2 + random_s2))
    scale_s = jnp.sqrt(random_s2 / (chance * (2.0 - chance)))
    shift_s = jnp.maximum(mean_s - chance * scale_s, 0.0)
    return Delay(shift_s, chance, scale_s), variance_s2 - random_s2


@jax.jit
def delay_from_moments(mean_s: Scalar, variance_s2: Scalar) -> Delay:
    """Delay with this mean [s] and variance [s²]; shapes broadcast.

    Args:
        mean_s: mean, at least zero.
        variance_s2: variance, at least zero.
    """
    mean_s = jnp.maximum(mean_s, _TINY_S)
    variance_s2 = jnp.maximum(variance_s2, (_LEAST_DEVIATION * mean_s) ** 2)
    second_s2 = variance_s2 + mean_s * mean_s
    deviation_s = jnp.sqrt(variance_s2)
    variable = deviation_s >= mean_s
    return Delay(
        shift_s=jnp.where(variable, 0.0, mean_s - deviation_s),
        chance=jnp.where(variable, 2.0 * mean_s * mean_s / second_s2, 1.0),
        scale_s=jnp.where(variable, 0.5 * second_s2 / mean_s, deviation_s),
    )
