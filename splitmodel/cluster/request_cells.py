"""Cells of requests whose output size matters, too: a few prompts' groups by all outputs.

Each keeps the exact mean and variance of what depends on its prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar

GROUP_ENDS = (0, 5, 9, 11, 16)
"""Prompt cells are joined to groups between these where the output size matters too, each with the
exact mean and variance of its requests."""


class Span(eqx.Module):
    """Values at the lower and upper end of each cell."""

    low: Scalar
    high: Scalar


class _States(NamedTuple):
    """Parts of a normal distribution: each even with the part's mean and variance."""

    weight: np.ndarray
    middle: np.ndarray
    half: np.ndarray


def _states(below: Sequence[float]) -> _States:
    """Parts of the standard normal distribution between its quantiles at `below`."""
    normal = NormalDist()
    ends = np.array([-np.inf, *map(normal.inv_cdf, below), np.inf])
    weight = np.diff([0.0, *below, 1.0])
    density = np.exp(-0.5 * ends**2) / np.sqrt(2.0 * np.pi)
    middle = -np.diff(density) / weight
    square = 1.0 - np.diff(np.where(np.isfinite(ends), ends, 0.0) * density) / weight
    return _States(weight, middle, np.sqrt(3.0 * (square - middle**2)))


STATES = _states((0.5, 0.84, 0.975))
"""Numbers that decode together, finer where percentiles are."""


def between(edges: Scalar) -> Span:
    """Cells between neighbours along the last axis."""
    return Span(edges[..., :-1], edges[..., 1:])


def around(middle: Scalar, half: Scalar) -> Span:
    """Cells of this middle and half width."""
    return Span(middle - half, middle + half)


def widened(span: Span, even_s: Scalar, variance_s2: Scalar) -> Span:
    """Sum of a value that runs evenly over each cell and two times that are even, too.

    One is from 0 to `even_s`, the other one around zero with a variance.
    """
    half = 0.5 * (span.high - span.low)
    return around(
        0.5 * (span.low + span.high + even_s),
        jnp.sqrt(half**2 + 0.25 * even_s**2 + 3.0 * variance_s2 + 1e-20),
    )


class Cells(eqx.Module):
    """Cells of requests: each a group of prompt cells with one output cell, by group, then output.

    Groups may be parts of the prompts that each batch state has. All cells are along one axis: an
    inner loop over the sixteen of outputs alone is unrolled by XLA (jax 0.10) on CPU, and most such
    programs have no vector instructions then.
    """

    weight: Scalar
    """Probability of each cell, [cells]."""
    shares: Scalar
    """Of that, what each prompt cell has, [cells, prompts]."""
    places: Scalar
    """Where the mean of each prompt cell lies between its edges, in [0, 1], [prompts]."""
    steps: Scalar
    """Decode steps, mean over each cell, [cells]."""
    steps_span: Span
    """Least and most of them, [cells]."""

    @property
    def steps_variance(self) -> Scalar:
        """Variance inside each cell, [cells]."""
        return (self.steps_span.high - self.steps_span.low) ** 2 / 12.0

    def by_prompt(self, edges: Scalar) -> ByPrompt:
        """A value that is given at the edges of the prompt cells."""
        width = edges[1:] - edges[:-1]
        return ByPrompt(edges[:-1] + self.places * width, width)

    def mean(self, value: ByPrompt) -> Scalar:
        """Mean over the requests of each cell, [cells]."""
        return over_prompts(value.middle, self.shares)

    def variance(self, value: ByPrompt) -> Scalar:
        """Variance over them, [cells]."""
        square = over_prompts(value.middle**2 + value.width**2 / 12.0, self.shares)
        return jnp.maximum(square - self.mean(value) ** 2, 0.0)


class ByPrompt(eqx.Module):
    """A value that depends on the prompt."""

    middle: Scalar
    """Mean over each prompt cell, [prompts]."""
    width: Scalar
    """Its range in each, [prompts]."""


def over_prompts(by_prompt: Scalar, factors: Scalar) -> Scalar:
    """Sum over prompts, [cells].

    The value comes first: of many configurations with the same factors, the product then has the
    configurations first, as everything else has, and needs no transposing.
    """
    return jnp.tensordot(by_prompt, factors, axes=[[0], [1]])


def cells_by_group(load: Workload) -> Cells:
    """Cells by groups of prompts."""
    ends = np.array(GROUP_ENDS)
    cell = np.arange(ends[-1])
    member = jnp.asarray((ends[:-1, None] <= cell) & (cell < ends[1:, None]), dtype=float)
    return _make_cells(load, member @ load.weight, member[:, None, :] * _likely(load).T[None])


def cells_by_state(load: Workload) -> Cells:
    """Cells by batch states instead of groups: of a larger batch, the longer prompts."""
    likely = _likely(load).T
    ends = jnp.cumsum(likely, axis=-1) / jnp.sum(likely, axis=-1, keepdims=True)
    starts = jnp.concatenate([jnp.zeros_like(ends[:, :1]), ends[:, :-1]], axis=-1)
    tops = np.cumsum(STATES.weight)
    low, high = (tops - STATES.weight)[:, None, None], tops[:, None, None]
    inside = jnp.minimum(ends[None], high) - jnp.maximum(starts[None], low)
    outputs = jnp.sum(load.weight, axis=0)
    weight = jnp.asarray(STATES.weight, dtype=float)[:, None] * outputs[None, :]
    return _make_cells(load, weight, jnp.maximum(inside, 1e-9))


def by_state(states: np.ndarray, cells: Cells) -> np.ndarray:
    """A value of each batch state, at the cells that are of it, [cells]."""
    return np.repeat(states, cells.weight.shape[0] // len(states))


def mean_over_states(of_cells: Scalar) -> Scalar:
    """Mean over the batch states of each output, at all cells of that, [cells, ...]."""
    states = of_cells.reshape(len(STATES.weight), -1, *of_cells.shape[1:])
    mean = jnp.tensordot(jnp.asarray(STATES.weight, dtype=float), states, axes=1)
    return jnp.broadcast_to(mean, states.shape).reshape(of_cells.shape)


def shortest_prompt(groups: Cells) -> np.ndarray:
    """Which prompt cell is the first of each cell by groups, as shares, [cells, prompts]."""
    starts = np.repeat(GROUP_ENDS[:-1], groups.weight.shape[0] // (len(GROUP_ENDS) - 1))
    return np.eye(GROUP_ENDS[-1])[starts]


def _likely(load: Workload) -> Scalar:
    """Weights, of which those in an output cell without requests are any."""
    return load.weight + 1e-6 * jnp.sum(load.weight, axis=1, keepdims=True)


def _make_cells(load: Workload, weight: Scalar, shares: Scalar) -> Cells:
    """From weights [groups, outputs] and shares [groups, outputs, prompts]."""
    edges = between(load.prompt_edges_tokens)
    places = (load.prompt_tokens - edges.low) / jnp.maximum(edges.high - edges.low, 1e-6)
    steps = between(load.output_edges_tokens - 1.0)
    groups = weight.shape[0]
    return Cells(
        weight=weight.ravel(),
        shares=(shares / jnp.sum(shares, axis=-1, keepdims=True)).reshape(weight.size, -1),
        places=jnp.clip(places, 0.0, 1.0),
        steps=jnp.tile(load.output_tokens - 1.0, groups),
        steps_span=Span(jnp.tile(steps.low, groups), jnp.tile(steps.high, groups)),
    )
