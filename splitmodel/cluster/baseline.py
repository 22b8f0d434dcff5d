"""A cluster whose machines run both phases, with three ways of batching.

References:
    Patel et al., Splitwise, ISCA 2024, Figure 2 (batching mechanisms); Yu et al., Orca, OSDI 2022
    (continuous batching).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from splitmodel.cluster.case import Case, servers
from splitmodel.cluster.flow import FULLEST, UNPOOLED, Flow
from splitmodel.cluster.interruption import interruptions
from splitmodel.queueing.batch_level import batch_level
from splitmodel.queueing.multi_server import wait_moments, waiting_chance
from splitmodel.roofline.batch import prefill_batch
from splitmodel.specs.cluster import BATCHINGS
from splitmodel.units import Scalar


def baseline_flow(case: Case) -> Flow:
    """Flow of requests through the mixed pool at min(rate, FULLEST · saturation)."""
    by_request = case.cluster.batching == float(BATCHINGS.index("request"))
    return jax.lax.cond(by_request, _request_flow, _continuous_flow, case)


def _continuous_flow(case: Case) -> Flow:
    """Prompts enter between decode iterations; in mixed batches decodes ride along with them."""
    load, sizes = case.load, case.sizes
    instance = case.instance(case.cluster.mixed)
    count = servers(case.cluster.mixed, instance)
    most = case.batch_limit(instance)
    mixes = case.cluster.batching == float(BATCHINGS.index("mixed"))
    prompts = interruptions(case, instance, most, mixes)

    def step_s(batch: Scalar) -> Scalar:
        return case.step_s(batch, instance)

    def interruption_s(batch: Scalar) -> Scalar:
        mean_s, _ = prompts.interruption_moments(batch, step_s(batch))
        return mean_s

    # A server with `most` decodes in progress still finds time for its prompts.
    cost_s = sizes.mean_steps * step_s(most) / most + jnp.maximum(interruption_s(most), 0.0)
    prefill_cost_s, _ = prompts.prefill_moments(most)
    saturation_rps = count / jnp.maximum(cost_s, prefill_cost_s)
    rate_rps = jnp.minimum(load.rate_rps, FULLEST * saturation_rps) / count

    def stay_s(batch: Scalar) -> Scalar:
        # b = λ·D with D = n·T/(1 − λ·I), written without the quotient so that it stays finite.
        return sizes.mean_steps * step_s(batch) + batch * interruption_s(batch)

    batch = batch_level(rate_rps, stay_s, most)
    decode_s = step_s(batch)
    stalled_s, stall_second_s2 = prompts.interruption_moments(batch, decode_s)
    tbt_s = decode_s / jnp.maximum(1.0 - rate_rps * stalled_s, 1.0 - FULLEST)
    prefill_s, prefill_second_s2 = prompts.prefill_moments(batch)
    busy = jnp.minimum(rate_rps * prefill_s, FULLEST)
    queue_s, queue_second_s2 = wait_moments(
        prefill_s, prefill_second_s2, busy, 1.0 - busy, count, UNPOOLED
    )
    # A prompt also lets the iteration in progress end: uniform over it.
    decoding = (1.0 - busy) * -jnp.expm1(-batch)
    rest_s = 0.5 * decoding * decode_s
    rest_variance_s2 = decoding * decode_s**2 / 3.0 - rest_s**2
    used = 1.0 - (1.0 - busy) * jnp.exp(-batch)
    prefill_edges_s, _ = prompts.prefill_s(batch)
    zero = jnp.zeros_like(saturation_rps)
    return Flow(
        saturation_rps=saturation_rps,
        wait_mean_s=queue_s + rest_s,
        wait_variance_s2=queue_second_s2 - queue_s**2 + rest_variance_s2,
        prefill_edges_s=prefill_edges_s,
        transfer_edges_s=jnp.zeros_like(prefill_edges_s),
        step_s=decode_s,
        step_variance_s2=(step_s(batch + jnp.sqrt(batch)) - decode_s) ** 2,
        stall_mean_s=jnp.maximum(tbt_s - decode_s, 0.0),
        stall_variance_s2=rate_rps * tbt_s * stall_second_s2,
        token_wait_mean_s=zero,
        token_wait_variance_s2=zero,
        batch=batch,
        utilisation=jnp.stack([zero, zero, used]),
        prefilling=busy / jnp.maximum(used, 1e-9),
    )


def _request_flow(case: Case) -> Flow:
    """A batch runs to the end of its longest output before the next one starts.

    Who arrives meanwhile forms the next batch, so that it grows with the rate; a server is
    saturated where the batch reaches what fits.
    """
    load, sizes = case.load, case.sizes
    instance = case.instance(case.cluster.mixed)
    count = servers(case.cluster.mixed, instance)

    def prefill_s(batch: Scalar, own_tokens: Scalar) -> Scalar:
        others = jnp.maximum(batch - 1.0, 0.0)
        # Attention is per prompt, so pairs add up over prompts.
        lone = prefill_batch(own_tokens)
        rest = prefill_batch(sizes.mean_prompt_tokens * jnp.ones_like(own_tokens), others)
        whole = jax.tree.map(lambda one, other: one + other, lone, rest)
        return case.iteration_s(whole, instance)

    def longest_steps(batch: Scalar) -> Scalar:
        """Mean of the longest output of `batch` independent requests, less its first token."""
        below = jnp.cumsum(sizes.output_weight)
        powers = jnp.clip(below, 1e-9, 1.0) ** jnp.maximum(batch, 1.0)
        return jnp.sum(jnp.diff(powers, prepend=0.0) * load.output_tokens) - 1.0

    def cycle_s(batch: Scalar) -> Scalar:
        ones = jnp.ones_like(batch)
        return prefill_s(batch, sizes.mean_prompt_tokens * ones) + longest_steps(
            batch
        ) * case.step_s(jnp.maximum(batch, 1.0), instance)

    fullest = jnp.maximum(case.batch_limit(instance), 1.0)
    saturation_rps = count * fullest / cycle_s(fullest)
    rate_rps = jnp.minimum(load.rate_rps, FULLEST * saturation_rps) / count
    batch = jnp.maximum(batch_level(rate_rps, cycle_s, fullest), 1.0)
    whole_s = cycle_s(batch)
    busy = jnp.minimum(rate_rps * whole_s / batch, FULLEST)
    chance = waiting_chance(busy, count)
    # Arrivals are uniform over the cycle in progress.
    wait_s = 0.5 * chance * whole_s
    edges = load.prompt_edges_tokens
    zero = jnp.zeros_like(saturation_rps)
    own_s = prefill_s(batch * jnp.ones_like(edges), edges)
    return Flow(
        saturation_rps=saturation_rps,
        wait_mean_s=wait_s,
        wait_variance_s2=chance * whole_s**2 / 3.0 - wait_s**2,
        prefill_edges_s=own_s,
        transfer_edges_s=jnp.zeros_like(edges),
        step_s=case.step_s(batch, instance),
        step_variance_s2=zero,
        stall_mean_s=zero,
        stall_variance_s2=zero,
        token_wait_mean_s=zero,
        token_wait_variance_s2=zero,
        batch=batch,
        utilisation=jnp.stack([zero, zero, busy]),
        prefilling=prefill_s(batch, sizes.mean_prompt_tokens * jnp.ones_like(batch)) / whole_s,
    )
