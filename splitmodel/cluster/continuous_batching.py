"""Machines that run both phases and admit prompts between decode iterations.

References:
    Patel et al., Splitwise, ISCA 2024, Figure 2 (batching mechanisms); Yu et al., Orca, OSDI 2022
    (continuous batching).
"""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.cluster.case import Case, servers
from splitmodel.cluster.flow import FULLEST, Flow
from splitmodel.cluster.interruption import interruptions
from splitmodel.cluster.prompt_service import one_and_two, packing
from splitmodel.queueing.balanced import met_share
from splitmodel.queueing.batch_level import batch_level, spread
from splitmodel.queueing.shortest_queue import lengths, shortest_queue
from splitmodel.specs.cluster import BATCHINGS
from splitmodel.units import Scalar


def continuous_flow(case: Case) -> Flow:
    """Prompts enter between decode iterations; in mixed batches decodes ride along with them."""
    load, sizes = case.load, case.sizes
    instance = case.instance(case.cluster.mixed)
    count = servers(case.cluster.mixed, instance)
    most = case.batch_limit(instance)
    mixes = case.cluster.batching == float(BATCHINGS.index("mixed"))
    prompts = interruptions(case, instance, most, mixes)
    packed = packing(case)
    full_s, few_s = case.times_s(instance, packed.iteration, one_and_two(case))
    discount = packed.per_prompt_s(prompts.lone, full_s, sizes.prompt_weight) / prompts.lone.mean_s

    def stay_s(batch: Scalar, met: Scalar) -> Scalar:
        # b = λ·D with D = n·T/(1 − λ·I), written without the quotient so that it stays finite.
        decode_s = case.step_s(batch + 1.0, instance)
        stalled_s, _ = prompts.interruption_moments(batch, decode_s)
        return sizes.mean_steps * decode_s + met * batch * jnp.maximum(stalled_s, 0.0)

    # A saturated server prefills full batches without a break. Where decodes ride along, each batch
    # brings them a step forward, so that they are no more than their steps times its prompts.
    riding = sizes.mean_steps * packed.iteration.prompts
    fullest = jnp.where(mixes, jnp.clip(riding, 1e-3, most), most)
    saturation_rps = count / jnp.maximum(
        stay_s(fullest, discount) / fullest, discount * prompts.prefill_moments(fullest)[0]
    )
    rate_rps = jnp.minimum(load.rate_rps, FULLEST * saturation_rps) / count

    def prompt_load(batch: Scalar) -> tuple[Scalar, Scalar, Scalar]:
        """Busy share of time with prompts, how much batches lessen them, and what they meet."""
        alone = rate_rps * prompts.prefill_moments(batch)[0]
        batched = 1.0 - (1.0 - discount) * jnp.minimum(discount * alone, 1.0)
        busy = jnp.minimum(batched * alone, FULLEST)
        return busy, batched, met_share(batch + busy, batch, count)

    def with_prompts_s(batch: Scalar) -> Scalar:
        _, batched, met = prompt_load(batch)
        return stay_s(batch, batched * met)

    batch = batch_level(rate_rps, with_prompts_s, most)
    together = 1.0 + jnp.stack([batch, batch + spread(batch), jnp.zeros_like(batch)])
    decode_s, more_s, alone_s = case.step_s(together, instance)
    busy, batched, met = prompt_load(batch)
    met_rps = batched * met * rate_rps
    stalled_s, stall_second_s2 = prompts.interruption_moments(batch, decode_s)
    tbt_s = decode_s / jnp.maximum(1.0 - met_rps * stalled_s, 1.0 - FULLEST)
    others = met * batch
    prefill_s, prefill_second_s2 = prompts.prefill_moments(others)
    # A prompt lets the decode iteration in progress end, if there is one: even over it.
    decoding = -jnp.expm1(-others)
    rest_s = decoding * decode_s
    prefill_edges_s, _ = prompts.prefill_s(others)
    own = lengths(prefill_s, prefill_second_s2, prefill_edges_s, sizes.prompt_weight)
    # Prompts avoid a machine from when one comes there.
    occupied = rate_rps * (0.5 * rest_s + prefill_s)
    slack = jnp.maximum(1.0 - rate_rps * discount * prefill_s, 1.0 - FULLEST)
    queue = shortest_queue(
        own, occupied, 1.0 - slack, slack, count, packed.sharing(few_s)
    )
    queue_s, queue_second_s2 = queue.moments
    used = 1.0 - (1.0 - busy) * jnp.exp(-batch)
    zero = jnp.zeros_like(saturation_rps)
    return Flow(
        saturation_rps=saturation_rps,
        wait_mean_s=queue_s * jnp.ones_like(load.prompt_tokens),
        wait_variance_s2=(queue_second_s2 - queue_s**2) * jnp.ones_like(load.prompt_tokens),
        rest_s=rest_s,
        prefill_edges_s=prefill_edges_s,
        transfer_edges_s=jnp.zeros_like(prefill_edges_s),
        join_s=zero,
        step_s=decode_s,
        step_variance_s2=(more_s - decode_s) ** 2,
        step_spare_s=decode_s - alone_s,
        stall_mean_s=jnp.maximum(tbt_s - decode_s, 0.0),
        stall_variance_s2=met_rps * tbt_s * stall_second_s2,
        link_wait_mean_s=zero,
        token_wait_mean_s=zero,
        token_wait_variance_s2=zero,
        batch=batch,
        utilisation=jnp.stack([zero, zero, used]),
        prefilling=busy / jnp.maximum(used, 1e-9),
    )
