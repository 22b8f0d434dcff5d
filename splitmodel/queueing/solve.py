"""Roots by bracketing, with the implicit derivative."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp


def bracketed_root(
    decreasing: Callable[[jax.Array], jax.Array],
    low: jax.Array,
    high: jax.Array,
    iterations: int,
) -> jax.Array:
    """Root of a decreasing function inside [low, high], elementwise; any one shape.

    The Illinois variant of regula falsi brackets the root without derivatives; one Newton step
    from there squares its error and carries the implicit derivative, so that nothing is
    differentiated through the loop. Where the function is flat the bracketed value stands and
    its derivative is zero.

    References:
        Dowell and Jarratt, BIT 11, 168–174 (1971).
    """

    def step(_: int, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        a, b, at_a, at_b, last = state
        width = at_a - at_b
        share = jnp.where(width > 0.0, at_a / jnp.where(width > 0.0, width, 1.0), 0.5)
        # A share near 0 or 1 would leave the other end where it is for many steps.
        middle = a + jnp.clip(share, 0.02, 0.98) * (b - a)
        value = frozen(middle)
        right = value > 0.0
        # Illinois: an end that stays twice in a row counts half.
        at_b_next = jnp.where(right, jnp.where(last > 0.0, 0.5 * at_b, at_b), value)
        at_a_next = jnp.where(right, value, jnp.where(last < 0.0, 0.5 * at_a, at_a))
        return (
            jnp.where(right, middle, a),
            jnp.where(right, b, middle),
            at_a_next,
            at_b_next,
            jnp.where(right, 1.0, -1.0),
        )

    low, high = jax.lax.stop_gradient(jnp.broadcast_arrays(low, high))
    # What the function closes over is stopped too, or the loop would carry its tangents along.
    converted, closed_over = jax.closure_convert(decreasing, low)
    closed_over = jax.lax.stop_gradient(closed_over)

    def frozen(x: jax.Array) -> jax.Array:
        return converted(x, *closed_over)

    start = (low, high, frozen(low), frozen(high), jnp.zeros_like(low))
    a, b, at_a, at_b, _ = jax.lax.fori_loop(0, iterations, step, start)
    bracketed = jnp.where(jnp.abs(at_a) < jnp.abs(at_b), a, b)
    value, slope = jax.jvp(decreasing, (bracketed,), (jnp.ones_like(bracketed),))
    slope = jax.lax.stop_gradient(slope)
    steep = slope < 0.0
    newton = bracketed - value / jnp.where(steep, slope, -1.0)
    return jnp.where(steep & (newton >= low) & (newton <= high), newton, bracketed)
