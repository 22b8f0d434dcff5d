"""Roots by bracketing, with the implicit derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

EXTRA_FOR_FLOAT64 = 20
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
    before, Chandrupatla's method refines the crossing. It needs no derivative; the result then
    carries the implicit one, so that nothing is differentiated through the loop, and a derivative
    of zero where the function is flat. The first point stands where already that one is below
    zero, and the last where none is, each with its own derivative.

    Args:
        function: elementwise, of an array of the shape of one point.
        tried: ascending points along the first axis.
        iterations: of the refinement, in float32.

    References:
        Chandrupatla, Advances in Engineering Software 28, 145–149 (1997).
    """
    first, last = tried[0], tried[-1]
    points = tried.shape[0]
    if tried.dtype == jnp.float64:
        iterations += EXTRA_FOR_FLOAT64

    def solve(function: Callable[[jax.Array], jax.Array], tried: jax.Array) -> jax.Array:
        def walked(state: _State) -> _State:
            """Go on to the next point, until one is below zero."""
            searching = state.at_b > 0.0
            above, below = searching & (state.value > 0.0), searching & (state.value <= 0.0)
            return state._replace(
                a=jnp.where(above, state.x, state.a),
                at_a=jnp.where(above, state.value, state.at_a),
                b=jnp.where(below, state.x, state.b),
                at_b=jnp.where(below, state.value, state.at_b),
            )

        def step(count: jax.Array, state: _State) -> _State:
            # The value found last is looked at only now: only what a loop carries is one number.
            # Otherwise the compiler evaluates the function anew, and rounds it otherwise, for each
            # use, and where its sign differs between two of them the bracket is lost.
            state = jax.tree.map(
                lambda walked, refined: jnp.where(count <= points, walked, refined),
                walked(state),
                _refined(state),
            )
            inside = state.a + state.share * (state.b - state.a)
            # Walking and refining share the only copy of the function.
            x = jnp.where(count < points, tried[jnp.minimum(count, points - 1)], inside)
            return state._replace(x=x, value=function(x))

        # Until one is known, the upper end counts as above zero. Where there is no crossing both
        # ends become the same point.
        one = jnp.ones_like(tried[0])
        state = _State(tried[0], tried[-1], one, one, 0.5 * one, tried[0], one)
        state = _refined(jax.lax.fori_loop(0, points + iterations, step, state))
        return jnp.where(jnp.abs(state.at_a) < jnp.abs(state.at_b), state.a, state.b)

    root = _implicit_root(function, solve, jax.lax.stop_gradient(tried))
    # An end that stands is no root: the function says nothing about its derivative.
    return jnp.where(root <= first, first, jnp.where(root >= last, last, root))


def _implicit_root(
    function: Callable[[jax.Array], jax.Array],
    solve: Callable[[Callable[[jax.Array], jax.Array], jax.Array], jax.Array],
    tried: jax.Array,
) -> jax.Array:
    """What `solve(function, tried)` finds, with the implicit derivative of a falling function.

    Nothing is differentiated through the solver, and nothing at all where no derivative is asked
    for. It is zero where the function is flat.
    """
    # What the function is closed over becomes its arguments, so that a derivative reaches it.
    explicit, closed_over = jax.closure_convert(function, tried[0])

    @jax.custom_jvp
    def root(tried: jax.Array, *others: jax.Array) -> jax.Array:
        return solve(lambda x: explicit(x, *others), tried)

    def derivative(
        primals: tuple[jax.Array, ...], tangents: tuple[jax.Array | SymbolicZero, ...]
    ) -> tuple[jax.Array, jax.Array]:
        found, others = root(*primals), primals[1:]
        # What is constant takes no part: most of what a cluster is made of, as a rule.
        changes = {
            k: tangent
            for k, tangent in enumerate(tangents[1:])
            if not isinstance(tangent, SymbolicZero)
        }

        def moved(values: dict[int, jax.Array]) -> jax.Array:
            return explicit(found, *(values.get(k, other) for k, other in enumerate(others)))

        _, change = jax.jvp(moved, ({k: others[k] for k in changes},), (changes,))
        _, slope = jax.jvp(lambda x: explicit(x, *others), (found,), (jnp.ones_like(found),))
        return found, implicit_tangent(change, slope)

    root.defjvp(derivative, symbolic_zeros=True)
    return root(tried, *closed_over)


def implicit_tangent(change: jax.Array, slope: jax.Array) -> jax.Array:
    """How far the root of a falling function moves where its value changes by `change`.

    Zero where the function is flat.
    """
    steep = slope < 0.0
    return jnp.where(steep, -change / jnp.where(steep, slope, -1.0), 0.0)


class _State(NamedTuple):
    """Bracket (a, b) with opposite signs, where between them to look next, and what was found."""

    a: jax.Array
    b: jax.Array
    at_a: jax.Array
    at_b: jax.Array
    share: jax.Array
    x: jax.Array
    value: jax.Array


def _refined(state: _State) -> _State:
    """One step of Chandrupatla's method: inverse quadratic where that is safe, else bisection."""
    a, b, at_a, at_b, _, x, value = state
    same = (value > 0.0) == (at_a > 0.0)
    # x becomes a, the end of opposite sign b, and the one that drops out c.
    c, at_c = jnp.where(same, a, b), jnp.where(same, at_a, at_b)
    b, at_b = jnp.where(same, b, a), jnp.where(same, at_b, at_a)
    a, at_a = x, value
    place = _quotient(a - b, c - b)
    height = _quotient(at_a - at_b, at_c - at_b)
    safe = (height**2 < place) & ((1.0 - height) ** 2 < 1.0 - place)
    quadratic = _quotient(at_a, at_b - at_a) * _quotient(at_c, at_b - at_c) + _quotient(
        c - a, b - a
    ) * _quotient(at_a, at_c - at_a) * _quotient(at_b, at_c - at_b)
    # Once converged the quotients are 0/0 and say nothing.
    safe &= jnp.isfinite(quadratic)
    share = jnp.where(safe, jnp.clip(quadratic, 1e-3, 1.0 - 1e-3), 0.5)
    return _State(a, b, at_a, at_b, share, x, value)


def _quotient(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    return numerator / jnp.where(denominator == 0.0, 1.0, denominator)
