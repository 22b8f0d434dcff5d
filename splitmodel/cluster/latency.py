"""Percentiles of TTFT, TBT and E2E over requests, in seconds and as slowdowns.

Size × waiting × batch: each cell of the workload's quadrature keeps its own fixed part and its
own random delay.

References:
    Patel et al., Splitwise, ISCA 2024, Table II (metrics) and Table VI (slowdowns against the
    same request alone on DGX-A100).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.flow import Flow
from splitmodel.iteration.instance import Instance
from splitmodel.queueing.delay import delay_from_moments
from splitmodel.queueing.percentile import Requests
from splitmodel.roofline.batch import decode_batch, prefill_batch
from splitmodel.specs.slo import METRICS
from splitmodel.units import Scalar

PROMPT_GROUPS = 8
"""Prompt cells are joined to this many groups where the output size matters too."""


METRICS_BY_SIZE = ("tbt_s", "e2e_s", "tbt_slowdown", "e2e_slowdown")
"""Those that depend on both prompt and output size."""


class Latencies(eqx.Module):
    """The six metrics as cells of requests."""

    ttft_s: Requests
    tbt_s: Requests
    e2e_s: Requests
    ttft_slowdown: Requests
    tbt_slowdown: Requests
    e2e_slowdown: Requests

    def percentiles(self) -> dict[str, jax.Array]:
        """Each metric at P50, P90 and P99, shape [3]."""
        values: dict[str, jax.Array] = {}
        # Metrics over the same cells are solved together.
        for group in (("ttft_s", "ttft_slowdown"), METRICS_BY_SIZE):
            stacked = jax.tree.map(
                lambda *leaves: jnp.stack(leaves), *(getattr(self, name) for name in group)
            )
            solved = jax.vmap(Requests.percentiles)(stacked)
            values |= {name: solved[place] for place, name in enumerate(group)}
        return {name: values[name] for name in METRICS}


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


def _groups(edges: Scalar) -> _Span:
    """Ends of the prompt groups, as a column."""
    ends = edges[:: (edges.shape[0] - 1) // PROMPT_GROUPS]
    return _Span(ends[:-1, None], ends[1:, None])


def _join(prompt: _Span, output: _Span) -> _Span:
    """Sum of a prompt part (column) and an independent output part: as wide as both together."""
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
    weight = load.weight.reshape(PROMPT_GROUPS, -1, load.weight.shape[1]).sum(axis=1)
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
    prefill, transfer = _groups(flow.prefill_edges_s), _groups(flow.transfer_edges_s)
    reference_prefill, reference_step = (_groups(edges) for edges in reference_s)

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
    e2e = _join(_Span(prefill.low + transfer.low, prefill.high + transfer.high), decode)
    # A request with one output token has no TBT; where all are such, transfer alone stands there.
    several = jnp.where(steps.high > 0.0, weight, 0.0)
    share = jnp.sum(several)
    has_steps = jnp.where(share > 0.0, several / jnp.maximum(share, 1e-6), weight)

    step_ref = reference_step.middle
    reference_e2e = _join(reference_prefill, _Span(steps.low * step_ref, steps.high * step_ref))
    return Latencies(
        ttft_s=_requests(ttft, _ones(ttft), wait, sizes.prompt_weight),
        tbt_s=_requests(tbt, divisor, stall, has_steps),
        e2e_s=_requests(e2e, _ones(e2e), both, weight),
        ttft_slowdown=_requests(ttft, _cells(reference_s[0]), wait, sizes.prompt_weight),
        tbt_slowdown=_requests(
            tbt, _Span(divisor.low * step_ref, divisor.high * step_ref), stall, has_steps
        ),
        e2e_slowdown=_requests(e2e, reference_e2e, both, weight),
    )


def _ones(span: _Span) -> _Span:
    return _Span(jnp.ones_like(span.low), jnp.ones_like(span.high))


def _requests(fixed: _Span, reference: _Span, delay, weight: Scalar) -> Requests:
    return Requests(fixed.low, fixed.high, reference.low, reference.high, delay, weight)
