"""Solvers of a least-squares problem behind one interface: gradients of the library's functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
import optimistix

from splitmodel_calibration.fit.problem import Problem

_MIXED_COUNTS = partial(jax.numpy_dtype_promotion, "standard")
"""The optimisers of optax mix the types of their counters."""
Residuals = Callable[[jax.Array], jax.Array]


class Solution(NamedTuple):
    """Where a solver ended."""

    z: jax.Array
    """Parameters, shape [unknowns]."""
    loss: jax.Array
    """Half the sum of squares."""
    slope: jax.Array
    """Largest component of the loss's gradient, which vanishes at an optimum."""
    steps: jax.Array


def _levenberg_marquardt(residuals: Residuals, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    tolerance = 1e-5 if z.dtype == jnp.float32 else 1e-8
    found = optimistix.least_squares(
        lambda at, _: residuals(at),
        optimistix.LevenbergMarquardt(rtol=tolerance, atol=tolerance),
        z,
        max_steps=300,
        throw=False,
    )
    return found.value, jnp.asarray(found.stats["num_steps"])


def _adam(residuals: Residuals, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    steps = 4000
    optimiser = optax.adam(optax.cosine_decay_schedule(0.03, steps))
    slope = jax.grad(partial(_loss, residuals))

    def step(_: jax.Array, state: tuple) -> tuple:
        at, memory = state
        change, memory = optimiser.update(slope(at), memory)
        return optax.apply_updates(at, change), memory

    with _MIXED_COUNTS():
        at, _ = jax.lax.fori_loop(0, steps, step, (z, optimiser.init(z)))
    return at, jnp.asarray(steps)


def _lbfgs(residuals: Residuals, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    most = 600
    loss = partial(_loss, residuals)
    optimiser = optax.lbfgs()
    value_and_slope = optax.value_and_grad_from_state(loss)
    small = 1e-3 if z.dtype == jnp.float32 else 1e-7

    def step(state: tuple) -> tuple:
        at, memory, count, _ = state
        value, slope = value_and_slope(at, state=memory)
        change, memory = optimiser.update(slope, memory, at, value=value, grad=slope, value_fn=loss)
        return optax.apply_updates(at, change), memory, count + 1, jnp.abs(jnp.asarray(slope)).max()

    def unfinished(state: tuple) -> jax.Array:
        return (state[3] > small) & (state[2] < most)

    first = (z, optimiser.init(z), jnp.zeros((), int), jnp.full((), jnp.inf, z.dtype))
    with _MIXED_COUNTS():
        at, _, count, _ = jax.lax.while_loop(unfinished, step, first)
    return at, count


_SOLVERS = {"lm": _levenberg_marquardt, "adam": _adam, "lbfgs": _lbfgs}
SOLVERS = tuple(_SOLVERS)
"""Levenberg–Marquardt (optimistix), Adam and L-BFGS (optax)."""


def _loss(residuals: Residuals, z: jax.Array) -> jax.Array:
    return 0.5 * jnp.sum(residuals(z) ** 2)


@partial(jax.jit, static_argnames="solver")
def solve(
    problem: Problem, weight: jax.Array, start: jax.Array, norm: jax.Array, solver: str = "lm"
) -> Solution:
    """Local optimum from one start.

    Args:
        problem: what is to be fitted.
        weight: of every row, shape [rows].
        start: shape [unknowns].
        norm: exponent of the p-norms to begin with. From a poor start take a low one: then a roof
            that does not bind has a gradient, which leads to where it does.
        solver: one of SOLVERS.
    """

    def stage(z: jax.Array, stage: Problem) -> tuple[jax.Array, jax.Array]:
        return _SOLVERS[solver](lambda at: stage.residuals(at, weight), z)

    # Both stages share one compiled solver.
    soft = problem.pinned(norm=norm, gemm_norm=jnp.minimum(norm, _gemm_norm(problem)))
    stages = jax.tree.map(lambda *leaves: jnp.stack(leaves), soft, problem)
    at, steps = jax.lax.scan(stage, start, stages)
    loss, slope = jax.value_and_grad(partial(_loss, partial(problem.residuals, weight=weight)))(at)
    return Solution(at, loss, jnp.abs(slope).max(), steps.sum())


def _gemm_norm(problem: Problem) -> jax.Array:
    return problem.machines.gpu.efficiency.gemm_norm[0]
