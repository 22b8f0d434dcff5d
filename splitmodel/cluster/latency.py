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
import numpy as np

from splitmodel.cluster.case import Case
from splitmodel.cluster.flow import Flow
from splitmodel.cluster.request_cells import (
    STATES,
    Cells,
    Span,
    around,
    between,
    by_state,
    cells_by_group,
    cells_by_state,
    mean_over_states,
    over_prompts,
    shortest_prompt,
    widened,
)
from splitmodel.compilation import compiled_apart
from splitmodel.iteration.choose import lone_requests
from splitmodel.iteration.instance import Instance
from splitmodel.queueing.delay import (
    Delay,
    delay_from_moments,
    exponential_third_s3,
    skewed_delay,
)
from splitmodel.queueing.percentile import Kinds, Requests, percentiles, tails
from splitmodel.roofline.batch import decode_batch, prefill_batch
from splitmodel.specs.slo import METRICS, SLO
from splitmodel.units import Scalar

_LEAST_REFERENCE = 0.05
"""Least reference at a cell's end, as a share of that in its middle."""
_LEAST_VARIATION = 1e-3
"""Standard deviation of E2E in a cell, over its mean, below which it does not matter."""

_UNKNOWN = 2.0
"""Square of the steps with which requests have half of the lasting variance of stalls, over that of
the mean steps."""

TOGETHER = (
    ("ttft_s",),
    ("e2e_s",),
    ("tbt_s",),
    ("ttft_slowdown",),
    ("tbt_slowdown", "e2e_slowdown"),
)
"""Metrics over cells of one shape that are solved together; a compiler leaves out groups of which
nothing is wanted."""


class Latencies(eqx.Module):
    """The six metrics as cells of requests."""

    groups: tuple[Kinds, ...]
    """Those of TOGETHER, each group's along the first axis."""

    def percentiles(self) -> dict[str, jax.Array]:
        """Each metric at P50, P90 and P99, shape [3]."""
        return self._named([percentiles(group) for group in self.groups])

    def beyond(self, limits: SLO) -> tuple[jax.Array, jax.Array]:
        """Where there are limits, and the share of requests beyond each, both [6, 3].

        In the order of METRICS. One evaluation tells whether a limit holds, without a percentile;
        where there is no limit the share is that beyond any value, or zero.
        """
        stacked = jnp.stack([getattr(limits, name) for name in METRICS])
        limited = jnp.isfinite(stacked)
        values = jnp.where(limited, stacked, 1.0)

        def shares(names: tuple[str, ...], group: Kinds) -> jax.Array:
            members = np.array([METRICS.index(name) for name in names])
            # A real branch wherever all configurations have the same limits: those of the paper
            # are about slowdowns, and seconds then take no time.
            return jax.lax.cond(
                limited[members].any(),
                jax.vmap(tails),
                lambda _, values: jnp.zeros_like(values),
                group,
                values[members],
            )

        found = self._named([*map(shares, TOGETHER, self.groups)])
        return limited, jnp.stack([found[name] for name in METRICS])

    def _named(self, found: list[jax.Array]) -> dict[str, jax.Array]:
        return {
            name: row
            for names, rows in zip(TOGETHER, found, strict=True)
            for name, row in zip(names, rows, strict=True)
        }


@compiled_apart
def reference_times_s(case: Case, reference: Instance) -> tuple[Scalar, Scalar]:
    """Prefill and decode-step time of each prompt size alone on the reference machine [s].

    Both at the prompt cells' edges, shape [cells+1].
    """
    edges = case.load.prompt_edges_tokens
    requests = lone_requests(case.timing, case.semantics, edges)
    prefill_s, step_s = case.times_s(reference, prefill_batch(edges), decode_batch(requests, edges))
    return prefill_s, step_s


def latencies(case: Case, flow: Flow, reference_s: tuple[Scalar, Scalar]) -> Latencies:
    """The six metrics of a flow, ready for percentiles and tails."""
    ttft, ttft_slowdown = _ttft(case, flow, reference_s[0])
    tbt, tbt_slowdown = _tbt(case, flow, reference_s[1], cells_by_state(case.load))
    e2e, e2e_slowdown = _e2e(case, flow, reference_s, cells_by_group(case.load))
    groups = ((ttft,), (e2e,), (tbt,), (ttft_slowdown,), (tbt_slowdown, e2e_slowdown))
    return Latencies(tuple(map(_stacked, groups)))


@compiled_apart
def _ttft(case: Case, flow: Flow, reference_s: Scalar) -> tuple[Kinds, Kinds]:
    """TTFT in seconds and as a slowdown, of prompts that do not wait, do, and visit."""
    prefill, reference = between(flow.prefill_edges_s), between(reference_s)
    none = jnp.zeros(())
    kinds = (
        (widened(prefill, flow.rest_s, none), none, none, flow.at_once_share),
        (
            widened(prefill, 0.0, flow.wait_even_s2),
            flow.wait_mean_s,
            flow.wait_variance_s2 - flow.wait_even_s2,
            flow.wait_share,
        ),
        (prefill, flow.visit_mean_s, flow.visit_variance_s2, flow.visit_share),
    )
    told = [
        (time, delay_from_moments(mean_s, variance_s2), case.sizes.prompt_weight * share)
        for time, mean_s, variance_s2, share in kinds
    ]
    seconds, slowdowns = (
        tuple(_requests(time, alone, delay, weight) for time, delay, weight in told)
        for alone in (None, reference)
    )
    return seconds, slowdowns


def _stall(case: Case, flow: Flow, sizes: Cells) -> tuple[Scalar, Scalar]:
    """Mean [s] and variance [s²] of the delays after the first token, [cells]."""
    lasting_s2 = flow.stall_lasting_s2 * _known(case, sizes)
    # Who has no step waits for none.
    any_step = jnp.minimum(sizes.steps, 1.0)
    return (
        any_step * flow.token_wait_mean_s + sizes.steps * flow.stall_mean_s,
        any_step * flow.token_wait_variance_s2
        + sizes.steps * (flow.stall_variance_s2 + sizes.steps * lasting_s2),
    )


def _stall_third_s3(case: Case, flow: Flow, sizes: Cells) -> Scalar:
    """Third central moment of the same [s³], [cells].

    What comes before the first step is taken as an exponential time, and what lasts as a gamma one.
    """
    lasting_s2 = flow.stall_lasting_s2 * _known(case, sizes)
    lasting_s3 = 2.0 * lasting_s2**2 / jnp.maximum(flow.stall_mean_s, 1e-9)
    return (
        jnp.minimum(sizes.steps, 1.0) * exponential_third_s3(flow.token_wait_variance_s2)
        + sizes.steps * flow.stall_third_s3
        + sizes.steps**3 * lasting_s3
    )


def _known(case: Case, sizes: Cells) -> Scalar:
    """Share of the lasting variance of stalls that requests with so many steps have, [cells].

    Which machines will have more stalls than others is not known when a decode begins.
    """
    return sizes.steps**2 / (sizes.steps**2 + _UNKNOWN * case.sizes.mean_steps**2 + 1e-6)


def _deviation_s(case: Case, flow: Flow, sizes: Cells) -> Scalar:
    """Standard deviation of the time that all of a request's steps take [s], [cells]."""
    return sizes.steps * jnp.sqrt(flow.step_variance_s2 * _kept(case, sizes) + 1e-20)


def _kept(case: Case, sizes: Cells) -> Scalar:
    """Variance of a mean over a request's steps, over that of one step, [cells].

    The number that decode together forgets what it was as those that were there leave; a long
    request sees its mean.
    """
    stays = sizes.steps / jnp.maximum(case.sizes.residual_steps, 1e-3)
    # Variance of the mean over a time of a number whose correlation decays exponentially.
    series = 1.0 - stays / 3.0 + stays**2 / 12.0
    lasting = jnp.maximum(stays, 0.05)
    return jnp.where(stays > 0.05, 2.0 * (lasting + jnp.expm1(-lasting)) / lasting**2, series)


@compiled_apart
def _tbt(case: Case, flow: Flow, reference_step_s: Scalar, states: Cells) -> tuple[Kinds, Kinds]:
    """TBT in seconds and as a slowdown, in cells of batch states and outputs.

    Time and divisor both grow with the output, hence lie at the same end of a cell. The prompt
    plays no role but through the transfer, of which each cell has the mean and the variance.
    """
    steps = states.steps_span
    transfer = states.by_prompt(flow.transfer_edges_s)
    in_any_state = mean_over_states(states.shares)
    mean_s = over_prompts(transfer.middle, in_any_state)
    deviation_s = _deviation_s(case, flow, states)
    # The least state reaches no lower than a step alone.
    spare_s = states.steps * jnp.maximum(flow.step_spare_s, 0.0)
    middle, half = (by_state(each, states) for each in STATES[1:])
    low = middle < 0.0
    lag_s, batch_half_s = (np.abs(each) * deviation_s for each in (middle, half))
    reach = jnp.minimum(spare_s / (lag_s + batch_half_s + 1e-12), 1.0)
    lag_s, batch_half_s = (jnp.where(low, reach * each, each) for each in (lag_s, batch_half_s))
    # Either the batch or the transfer matters, so that few states serve both.
    squares = lag_s**2 + over_prompts(transfer.middle, states.shares - in_any_state) ** 2
    away_s = np.sign(middle) * jnp.sqrt(squares + 1e-20)
    stall_s, stall_variance_s2 = _stall(case, flow, states)
    third_s3 = _stall_third_s3(case, flow, states)
    delay, even_s2 = skewed_delay(stall_s, stall_variance_s2, third_s3)
    variance_s2 = states.variance(transfer) + flow.join_s**2 / 12.0
    half_s = _half(variance_s2 + batch_half_s**2 / 3.0)
    mean_s = mean_s + 0.5 * flow.join_s + away_s
    # What comes before the first step takes no less than no time.
    half_s = jnp.minimum(half_s, jnp.maximum(mean_s, jnp.abs(away_s)))
    half_s = _half(half_s**2 / 3.0 + even_s2)
    time = Span(
        mean_s - half_s + steps.low * flow.step_s, mean_s + half_s + steps.high * flow.step_s
    )
    counted = 1.0 if case.semantics.tbt_over_all_tokens else 0.0
    divisor = Span(*(jnp.maximum(end + counted, 1.0) for end in (steps.low, steps.high)))
    # A request with one output token has no TBT; where all are such, transfer alone stands there.
    several = jnp.where(steps.high > 0.0, states.weight, 0.0)
    share = jnp.sum(several)
    weight = jnp.where(share > 0.0, several / jnp.maximum(share, 1e-6), states.weight)
    step_s = states.mean(states.by_prompt(reference_step_s))
    alone = Span(divisor.low * step_s, divisor.high * step_s)
    return (_requests(time, divisor, delay, weight),), (_requests(time, alone, delay, weight),)


@compiled_apart
def _e2e(
    case: Case, flow: Flow, reference_s: tuple[Scalar, Scalar], sizes: Cells
) -> tuple[Kinds, Kinds]:
    """E2E in seconds and as a slowdown: in each cell with the mean and variance over its requests.

    Of the reference, it keeps the mean and the part that goes along with the time.
    """
    begun_edges_s = flow.prefill_edges_s + flow.transfer_edges_s
    begun = sizes.by_prompt(begun_edges_s)
    # Of two requests in a cell, the longer one is stalled for longer.
    pace_s = flow.step_s + flow.stall_mean_s
    mean_s = sizes.mean(begun) + 0.5 * flow.join_s + sizes.steps * flow.step_s
    begun_s2 = sizes.variance(begun)
    variance_s2 = begun_s2 + pace_s**2 * sizes.steps_variance
    wait_s = over_prompts(flow.before_prefill_s, sizes.shares)
    wait_second_s2 = over_prompts(flow.before_prefill_second_s2, sizes.shares)
    wait_variance_s2 = jnp.maximum(wait_second_s2 - wait_s**2, 0.0)
    wait_third_s3 = over_prompts(flow.before_prefill_third_s3, sizes.shares)
    wait_third_s3 = wait_third_s3 - 3.0 * wait_s * wait_second_s2 + 2.0 * wait_s**3
    stall_s, stall_variance_s2 = _stall(case, flow, sizes)
    delay, even_s2 = skewed_delay(
        wait_s + stall_s,
        wait_variance_s2 + stall_variance_s2,
        wait_third_s3 + _stall_third_s3(case, flow, sizes),
    )
    own_s2 = flow.join_s**2 / 12.0 + _deviation_s(case, flow, sizes) ** 2
    shortest_s = over_prompts(begun_edges_s[:-1], shortest_prompt(sizes))
    least_s = shortest_s + sizes.steps_span.low * flow.step_s
    # A few long requests far from the others must not make the low end less than the least, and
    # what varies with the batch not less than that of requests alone.
    spare_s = jnp.maximum(flow.step_spare_s, 0.0)
    lone_s2 = begun_s2 + (flow.step_s - spare_s) ** 2 * sizes.steps_variance
    later_s = 0.5 * flow.join_s + sizes.steps * spare_s
    half_s = jnp.minimum(_half(variance_s2 + own_s2), jnp.maximum(mean_s - least_s, 0.0))
    half_s = jnp.minimum(half_s, _half(lone_s2) + later_s)
    half_s = _half(half_s**2 / 3.0 + even_s2)
    own_s2 = own_s2 + even_s2
    time = around(mean_s, half_s)

    prefill, step = (sizes.by_prompt(edges) for edges in reference_s)
    step_s = sizes.mean(step)
    # The reference at a cell's mean steps, [cells, prompts].
    alone_s = prefill.middle[None, :] + sizes.steps[:, None] * step.middle[None, :]
    width_s = prefill.width[None, :] + sizes.steps[:, None] * step.width[None, :]
    middle = jnp.sum(sizes.shares * alone_s, axis=-1)
    away_s = alone_s - middle[:, None]
    covariance_s2 = (
        over_prompts(begun.middle, sizes.shares * away_s)
        + over_prompts(begun.width, sizes.shares * width_s / 12.0)
        + pace_s * step_s * sizes.steps_variance
    )
    most = (1.0 - _LEAST_REFERENCE) * middle
    # Of times that hardly vary, the covariance is rounding.
    least_s2 = (_LEAST_VARIATION * mean_s) ** 2
    reference_half = half_s * covariance_s2 / jnp.maximum(variance_s2 + own_s2, least_s2)
    alone = around(middle, jnp.clip(reference_half, -most, most))

    weight = sizes.weight
    return (_requests(time, None, delay, weight),), (_requests(time, alone, delay, weight),)


def _half(variance: Scalar) -> Scalar:
    """Half the width of an even spread with this variance."""
    return jnp.sqrt(jnp.maximum(3.0 * variance, 1e-20))


def _requests(fixed: Span, reference: Span | None, delay: Delay, weight: Scalar) -> Requests:
    """A metric: the time over a reference, or in seconds where that is None."""
    ones = jnp.ones_like(weight)
    low = high = None
    if reference is not None:
        low, high = reference.low * ones, reference.high * ones
    delay = jax.tree.map(lambda leaf: leaf * ones if leaf.ndim else leaf, delay)
    return Requests(fixed.low * ones, fixed.high * ones, low, high, delay, weight)


def _stacked(metrics: tuple[Kinds, ...]) -> Kinds:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *metrics)
