"""Sizes of the requests that a cluster serves."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar


class Sizes(eqx.Module):
    """Moments and marginals of a workload's request sizes, out of its quadrature."""

    prompt_weight: Scalar
    """Probability of each prompt cell, [cells]."""
    output_weight: Scalar
    """Probability of each output cell, [cells]."""
    mean_prompt_tokens: Scalar
    mean_steps: Scalar
    """Decode steps per request, output tokens − 1, mean."""
    step_edges: Scalar
    """Steps at the outputs' edges, [cells+1]."""
    residual_steps: Scalar
    """Steps that a request which is decoding still has before it, mean over them."""
    residual_chance: Scalar
    """Chance that it has more steps than `step_edges`, [cells+1]."""
    resident_tokens: Scalar
    """KV tokens reserved by a request that is decoding: long outputs stay longer."""
    resident_spread: Scalar
    """Second moment of those tokens over the square of their mean."""
    prompt_places: Scalar
    """KV tokens that a request reserves over that mean, by prompt cell, [cells]."""
    decode_context_tokens: Scalar
    """KV tokens that a decode step of one request reads, mean over steps."""
    largest_tokens: Scalar
    """KV tokens of the largest request."""


def sizes_of(load: Workload) -> Sizes:
    """Sizes of a workload's requests."""
    prompt, output = load.prompt_tokens[:, None], load.output_tokens[None, :]
    steps = output - 1.0
    step_edges, mean_steps = load.output_edges_tokens - 1.0, jnp.sum(load.weight * steps)
    # Weighted by steps, a request counts as long as it stays; with no steps any weight will do.
    stay = load.weight * jnp.maximum(steps, 1e-6)
    stay = stay / jnp.sum(stay)
    resident_tokens = jnp.sum(stay * (prompt + output))
    largest = load.prompt_edges_tokens[1:, None] + load.output_edges_tokens[None, 1:]
    return Sizes(
        prompt_weight=jnp.sum(load.weight, axis=1),
        output_weight=jnp.sum(load.weight, axis=0),
        mean_prompt_tokens=jnp.sum(load.weight * prompt),
        mean_steps=mean_steps,
        step_edges=step_edges,
        residual_steps=0.5 * jnp.sum(stay * steps),
        residual_chance=_residual_chance(step_edges, jnp.sum(load.weight, axis=0)),
        resident_tokens=resident_tokens,
        resident_spread=jnp.sum(stay * (prompt + output) ** 2) / resident_tokens**2,
        prompt_places=(load.prompt_tokens + jnp.sum(load.weight * output)) / resident_tokens,
        decode_context_tokens=jnp.sum(stay * (prompt + 0.5 * output)),
        largest_tokens=jnp.max(jnp.where(load.weight > 0.0, largest, 0.0)),
    )


def _residual_chance(steps: Scalar, weight: Scalar) -> Scalar:
    """Chance that who decodes has more than so many steps before it, [cells+1].

    Args:
        steps: at the edges of output cells, ascending, [cells+1].
        weight: probability of each cell, [cells].

    References:
        Kleinrock, Queueing Systems I (1975), section 5.2 (residual life).
    """
    one = jnp.ones_like(steps[:1])
    longer = jnp.concatenate([one, 1.0 - jnp.cumsum(weight)])
    areas = 0.5 * (longer[1:] + longer[:-1]) * jnp.diff(steps)
    beyond = jnp.concatenate([jnp.cumsum(areas[::-1])[::-1], 0.0 * one])
    return jnp.clip(beyond / jnp.maximum(steps[0] + beyond[0], 1e-6), 0.0, 1.0)


@jax.jit
def cell_moments(edges: Scalar, cells: Scalar, weight: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """Mean, second and third moment over requests of a value given at cells' edges and means.

    Args:
        edges: shape [cells+1].
        cells: shape [cells].
        weight: probability of each cell, [cells].
    """
    # Simpson inside each cell: its mean alone would lose the spread of long prompts.
    square, cube = (
        (edges[:-1] ** power + 4.0 * cells**power + edges[1:] ** power) / 6.0 for power in (2, 3)
    )
    return jnp.sum(weight * cells), jnp.sum(weight * square), jnp.sum(weight * cube)
