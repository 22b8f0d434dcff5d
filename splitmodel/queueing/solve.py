"""Roots by bracketing, with the implicit derivative."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

_EXTRA_FOR_FLOAT64 = 20
"""Further iterations that float64 has digits for."""


def bracketed_root(
    decreasing: Callable[[jax.Array], jax.Array],
    low: jax.Array,
    high: jax.Array,
    iterations: int,
) -> jax.Array:
    """Root of a decreasing function inside [low, high], elementwise; any one shape.

    The Illinois variant of regula falsi needs no derivative; the root then carries the implicit
    one, so that nothing is differentiated through the loop. Where the function is flat at the
    root, its derivative is zero. An end of the bracket stands where there is no root inside.

    References:
        Dowell and Jarratt, BIT 11, 168–174 (1971).
    """
    low, high = jax.lax.stop_gradient(jnp.broadcast_arrays(low, high))
    if low.dtype == jnp.float64:
        iterations += _EXTRA_FOR_FLOAT64

    def solve(function: Callable[[jax.Array], jax.Array], start: jax.Array) -> jax.Array:
        def step(count: jax.Array, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            a, b, at_a, at_b, last = state
            width = at_a - at_b
            share = jnp.where(width > 0.0, at_a / jnp.where(width > 0.0, width, 1.0), 0.5)
            # A share near 0 or 1 would leave the other end where it is for many steps.
            inside = a + jnp.clip(share, 0.02, 0.98) * (b - a)
            # The first two steps evaluate the ends, so that the loop's body is the only copy.
            x = jnp.where(count == 0, low, jnp.where(count == 1, high, inside))
            value = function(x)
            right = value > 0.0
            # Illinois: an end that stays twice in a row counts half.
            return (
                jnp.where(right, x, a),
                jnp.where(right, b, x),
                jnp.where(right, value, jnp.where(last < 0.0, 0.5 * at_a, at_a)),
                jnp.where(right, jnp.where(last > 0.0, 0.5 * at_b, at_b), value),
                jnp.where(count < 2, 0.0, jnp.where(right, 1.0, -1.0)),
            )

        # Signs stand in for the values at the ends until they are known.
        one = jnp.ones_like(start)
        state = (low, high, one, -one, jnp.zeros_like(start))
        a, b, at_a, at_b, _ = jax.lax.fori_loop(0, iterations + 2, step, state)
        return jnp.where(jnp.abs(at_a) < jnp.abs(at_b), a, b)

    def tangent_solve(linear: Callable[[jax.Array], jax.Array], y: jax.Array) -> jax.Array:
        slope = linear(jnp.ones_like(y))
        steep = slope < 0.0
        return jnp.where(steep, y / jnp.where(steep, slope, -1.0), 0.0)

    return jax.lax.custom_root(decreasing, low, solve, tangent_solve)
