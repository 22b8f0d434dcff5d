"""Exponentials of a tail, in float32 quicker than `jnp.exp` and `jnp.expm1`, to 1e-5.

Far from zero, where the argument's own rounding counts for more, as exact as that allows.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from splitmodel.units import Scalar

_LOG2_E = 1.4426950408889634
_POWERS = (0.69314718, 0.24026942, 0.05579490, 0.00944517)
"""2^y = 1 + y · (these in powers of y) for |y| up to one half: the first is ln 2, the others have
a least squared error (`numpy.polynomial.chebyshev.Chebyshev.fit` at Chebyshev points)."""
_BIAS, _MANTISSA_BITS = 127, 23
"""Of float32 (IEEE 754)."""
_MOST = _BIAS - 1.0
"""Least power of two that is a normal number, negative."""
_UNITS = 1.5 * 2.0**_MANTISSA_BITS + _BIAS
"""Numbers near this one have no digits after the point: the last bits are a whole number, biased
as an exponent is."""


@jax.custom_jvp
def quick_exp(x: Scalar) -> jax.Array:
    """exp(x) for x ≤ 0."""
    x = jnp.asarray(x)
    if x.dtype != jnp.float32:
        return jnp.exp(x)
    power, rest = _split(x)
    return power * (1.0 + rest)


@jax.custom_jvp
def quick_fall(x: Scalar) -> jax.Array:
    """1 − exp(x) for x ≤ 0, without loss of digits near zero."""
    x = jnp.asarray(x)
    if x.dtype != jnp.float32:
        return -jnp.expm1(x)
    power, rest = _split(x)
    return (1.0 - power) - power * rest


@jax.custom_jvp
def quick_both(x: Scalar) -> tuple[jax.Array, jax.Array]:
    """exp(x) and 1 − exp(x) for x ≤ 0, both of one power."""
    x = jnp.asarray(x)
    if x.dtype != jnp.float32:
        return jnp.exp(x), -jnp.expm1(x)
    power, rest = _split(x)
    beside = power * rest
    return power + beside, (1.0 - power) - beside


@jax.jit  # traced once per shape
def _split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A power of two and a small number, of which exp(x) is power · (1 + number)."""
    # Rounds to a whole number, and has it in the last bits, without an instruction for either.
    scaled = jnp.minimum(x * -_LOG2_E, _MOST)
    shifted = _UNITS - scaled
    rest = (_UNITS - shifted) - scaled
    number = jnp.zeros_like(x)
    for factor in reversed(_POWERS):
        number = (number + factor) * rest
    exponent = jax.lax.bitcast_convert_type(shifted, jnp.int32) << _MANTISSA_BITS
    return jax.lax.bitcast_convert_type(exponent, jnp.float32), number


@quick_exp.defjvp
def _quick_exp_jvp(primals: tuple[Scalar], tangents: tuple[Scalar]) -> tuple[jax.Array, jax.Array]:
    value = quick_exp(*primals)
    return value, value * tangents[0]


@quick_fall.defjvp
def _quick_fall_jvp(primals: tuple[Scalar], tangents: tuple[Scalar]) -> tuple[jax.Array, jax.Array]:
    return quick_fall(*primals), -quick_exp(*primals) * tangents[0]


@quick_both.defjvp
def _quick_both_jvp(
    primals: tuple[Scalar], tangents: tuple[Scalar]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    left, fallen = quick_both(*primals)
    change = left * tangents[0]
    return (left, fallen), (change, -change)
