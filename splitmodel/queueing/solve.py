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

    An end of the bracket stands where there is no root inside.
    """
    return first_crossing(decreasing, jnp.stack(jnp.broadcast_arrays(low, high)), iterations)


def first_crossing(
    function: Callable[[jax.Array], jax.Array], tried: jax.Array, iterations: int
) -> jax.Array:
    """Where a function first falls below zero, elementwise.

    The tried points are walked through in order until one is below zero; between it and the one
    before, the Illinois variant of regula falsi refines the crossing. It needs no derivative; the
    result then carries the implicit one, so that nothing is differentiated through the loop, and
    a derivative of zero where the function is flat. The first point stands where already that one
    is below zero, and the last where none is.

    Args:
        function: elementwise, of an array of the shape of one point.
        tried: ascending points along the first axis.
        iterations: of the refinement, in float32.

    References:
        Dowell and Jarratt, BIT 11, 168–174 (1971).
    """
    tried = jax.lax.stop_gradient(tried)
    points = tried.shape[0]
    if tried.dtype == jnp.float64:
        iterations += _EXTRA_FOR_FLOAT64

    def solve(function: Callable[[jax.Array], jax.Array], start: jax.Array) -> jax.Array:
        def step(count: jax.Array, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            a, b, at_a, at_b, last = state
            walking = count < points
            bracketed = at_b <= 0.0
            width = at_a - at_b
            share = jnp.where(width > 0.0, at_a / jnp.where(width > 0.0, width, 1.0), 0.5)
            # A share near 0 or 1 would leave the other end where it is for many steps.
            inside = a + jnp.clip(share, 0.02, 0.98) * (b - a)
            # Walking and refining share the only copy of the function.
            x = jnp.where(walking, tried[jnp.minimum(count, points - 1)], inside)
            value = function(x)
            right = value > 0.0
            # What lies beyond the first failure does not count.
            use = jnp.where(walking, ~bracketed, bracketed)
            # Illinois: an end that stays twice in a row counts half.
            halved_a = jnp.where(~walking & (last < 0.0), 0.5 * at_a, at_a)
            halved_b = jnp.where(~walking & (last > 0.0), 0.5 * at_b, at_b)
            return (
                jnp.where(use & right, x, a),
                jnp.where(use & ~right, x, b),
                jnp.where(use, jnp.where(right, value, halved_a), at_a),
                jnp.where(use, jnp.where(right, halved_b, value), at_b),
                jnp.where(use & ~walking, jnp.where(right, 1.0, -1.0), last),
            )

        # Until one is known, the upper end counts as above zero.
        one = jnp.ones_like(start)
        state = (tried[0], tried[-1], one, one, jnp.zeros_like(start))
        a, b, at_a, at_b, _ = jax.lax.fori_loop(0, points + iterations, step, state)
        return jnp.where((at_b > 0.0) | (jnp.abs(at_a) < jnp.abs(at_b)), a, b)

    def tangent_solve(linear: Callable[[jax.Array], jax.Array], y: jax.Array) -> jax.Array:
        slope = linear(jnp.ones_like(y))
        steep = slope < 0.0
        return jnp.where(steep, y / jnp.where(steep, slope, -1.0), 0.0)

    return jax.lax.custom_root(function, tried[0], solve, tangent_solve)
