"""Percentiles of TTFT, TBT and E2E over requests, in seconds and as slowdowns.

Size × waiting × batch: each cell of the workload's quadrature keeps its own fixed part and its
own random delay.

References:
    Patel et al., Splitwise, ISCA 2024, Table II (metrics) and Table VI (slowdowns against the
    same request alone on DGX-A100).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.cluster.case import Case
from splitmodel.cluster.flow import Flow
from splitmodel.iteration.instance import Instance
from splitmodel.queueing.delay import delay_from_moments
from splitmodel.queueing.percentile import Requests
from splitmodel.roofline.batch import decode_batch, prefill_batch
from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar

GROUP_ENDS = (0, 2, 5, 8, 11, 14, 16)
"""Prompt cells are joined to groups between these where the output size matters too."""

BY_PROMPT = ("ttft_s", "ttft_slowdown")
"""Metrics that depend on the prompt size alone."""
BY_SIZE = ("tbt_s", "e2e_s", "tbt_slowdown", "e2e_slowdown")
"""Those that depend on both sizes."""


class Latencies(eqx.Module):
    """The six metrics as cells of requests, those over the same cells together."""

    by_prompt: Requests
    """In the order of BY_PROMPT along the first axis."""
    by_size: Requests
    """In the order of BY_SIZE."""

    def percentiles_and_tails(
        self, values: dict[str, Scalar]
    ) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        """Each metric at P50, P90 and P99, shape [3], and the share of requests beyond a value."""
        return self._each(Requests.percentiles_and_tail, values)

    def tails(self, values: dict[str, Scalar]) -> dict[str, jax.Array]:
        """Share of requests beyond each of several values, by metric; all of one shape [values]."""
        return self._each(Requests.tails, values)

    def _each(self, function: Callable[[Requests, Scalar], Any], values: dict[str, Scalar]) -> Any:
        solved = [
            jax.vmap(function)(requests, jnp.stack([values[name] for name in names]))
            for requests, names in ((self.by_prompt, BY_PROMPT), (self.by_size, BY_SIZE))
        ]
        leaves = jax.tree.map(lambda *each: jnp.concatenate(each), *solved)
        return jax.tree.map(
            lambda leaf: dict(zip((*BY_PROMPT, *BY_SIZE), leaf, strict=True)), leaves
        )


class _Span(eqx.Module):
    """Values at the lower and upper end of each cell."""

    low: Scalar
    high: Scalar

    @property
    def middle(self) -> Scalar:
        return 0.5 * (self.low + self.high)

    @property
    def width(self) -> Scalar:
        return self.high - self.low


def _cells(edges: Scalar) -> _Span:
    return _Span(edges[:-1], edges[1:])


class _Groups(eqx.Module):
    """Prompts of a group among the requests of each output cell."""

    weight: Scalar
    """Probability of each group and output cell, [groups, outputs]."""
    shares: Scalar
    """Of that, what each prompt cell has, [groups, outputs, prompts]."""
    places: Scalar
    """Where the mean of each prompt cell lies between its edges, in [0, 1], [prompts]."""

    def span(self, edges: Scalar) -> _Span:
        """An even spread with mean and variance of a value that is given at the cells' edges."""
        cells = _cells(edges)
        value = cells.low + self.places * cells.width
        mean = self.shares @ value
        variance = self.shares @ (value**2 + cells.width**2 / 12.0) - mean**2
        half = jnp.sqrt(jnp.maximum(3.0 * variance, 1e-20))
        # A few long prompts far from the others must not make the low end negative.
        lowest = edges[np.array(GROUP_ENDS[:-1])][:, None]
        half = jnp.minimum(half, jnp.maximum(mean - lowest, 0.0))
        return _Span(mean - half, mean + half)


def _groups(load: Workload) -> _Groups:
    ends = np.array(GROUP_ENDS)
    cell = np.arange(ends[-1])
    member = jnp.asarray((ends[:-1, None] <= cell) & (cell < ends[1:, None]), dtype=float)
    # Where no request is, any will do.
    likely = load.weight + 1e-6 * jnp.sum(load.weight, axis=1, keepdims=True)
    joint = member[:, None, :] * likely.T[None]
    cells = _cells(load.prompt_edges_tokens)
    places = (load.prompt_tokens - cells.low) / jnp.maximum(cells.width, 1e-6)
    return _Groups(
        weight=member @ load.weight,
        shares=joint / jnp.sum(joint, axis=-1, keepdims=True),
        places=jnp.clip(places, 0.0, 1.0),
    )


def _join(prompt: _Span, output: _Span) -> _Span:
    """Sum of a prompt part and an independent output part: as wide as both together."""
    middle = prompt.middle + output.middle
    square = prompt.width**2 + output.width**2
    half = 0.5 * jnp.sqrt(jnp.maximum(square, 1e-20))
    return _Span(middle - half, middle + half)


def reference_times_s(case: Case, reference: Instance) -> tuple[Scalar, Scalar]:
    """Prefill and decode-step time of each prompt size alone on the reference machine [s].

    Both at the prompt cells' edges, shape [cells+1].
    """
    edges = case.load.prompt_edges_tokens
    ones = jnp.ones_like(edges)
    # The authors' simulator reads the decode curve at x = prompt tokens.
    requests = edges if case.semantics.reference_decode_at_prompt else ones
    prefill_s, step_s = case.times_s(reference, prefill_batch(edges), decode_batch(requests, edges))
    return prefill_s, step_s


def latencies(case: Case, flow: Flow, reference_s: tuple[Scalar, Scalar]) -> Latencies:
    """The six metrics of a flow, ready for percentiles and tails."""
    load, sizes = case.load, case.sizes
    groups = _groups(load)
    weight = groups.weight
    steps = _cells(load.output_edges_tokens - 1.0)
    steps = _Span(steps.low[None, :], steps.high[None, :])
    tokens = _cells(load.output_edges_tokens)
    divisor = (
        tokens if case.semantics.tbt_over_all_tokens else _Span(tokens.low - 1.0, tokens.high - 1.0)
    )
    divisor = _Span(
        jnp.maximum(divisor.low, 1.0)[None, :] + jnp.zeros_like(weight),
        jnp.maximum(divisor.high, 1.0)[None, :] + jnp.zeros_like(weight),
    )
    transfer = groups.span(flow.transfer_edges_s)
    begun = groups.span(flow.prefill_edges_s + flow.transfer_edges_s)
    reference_prefill, reference_step = (groups.span(edges) for edges in reference_s)

    wait = delay_from_moments(flow.wait_mean_s, flow.wait_variance_s2)
    mean_steps = steps.middle
    stall_s = flow.token_wait_mean_s + mean_steps * flow.stall_mean_s
    stall_variance_s2 = (
        flow.token_wait_variance_s2
        + mean_steps * flow.stall_variance_s2
        + mean_steps**2 * flow.step_variance_s2
    )
    stall = delay_from_moments(stall_s, stall_variance_s2)
    both = delay_from_moments(flow.wait_mean_s + stall_s, flow.wait_variance_s2 + stall_variance_s2)

    ttft = _cells(flow.prefill_edges_s)
    decode = _Span(steps.low * flow.step_s, steps.high * flow.step_s)
    second = _join(transfer, _Span(decode.middle, decode.middle))
    # Numerator and divisor of TBT both grow with the output, hence at the same end of a cell.
    tbt = _Span(second.low - decode.middle + decode.low, second.high - decode.middle + decode.high)
    e2e = _join(begun, decode)
    # A request with one output token has no TBT; where all are such, transfer alone stands there.
    several = jnp.where(steps.high > 0.0, weight, 0.0)
    share = jnp.sum(several)
    has_steps = jnp.where(share > 0.0, several / jnp.maximum(share, 1e-6), weight)

    step_ref = reference_step.middle
    reference_e2e = _join(reference_prefill, _Span(steps.low * step_ref, steps.high * step_ref))
    by_size = (
        _requests(tbt, divisor, stall, has_steps),
        _requests(e2e, _ones(e2e), both, weight),
        _requests(tbt, _Span(divisor.low * step_ref, divisor.high * step_ref), stall, has_steps),
        _requests(e2e, reference_e2e, both, weight),
    )
    by_prompt = (
        _requests(ttft, _ones(ttft), wait, sizes.prompt_weight),
        _requests(ttft, _cells(reference_s[0]), wait, sizes.prompt_weight),
    )
    return Latencies(_stacked(by_prompt), _stacked(by_size))


def _stacked(metrics: tuple[Requests, ...]) -> Requests:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *metrics)


def _ones(span: _Span) -> _Span:
    return _Span(jnp.ones_like(span.low), jnp.ones_like(span.high))


def _requests(fixed: _Span, reference: _Span, delay, weight: Scalar) -> Requests:
    return Requests(fixed.low, fixed.high, reference.low, reference.high, delay, weight)
