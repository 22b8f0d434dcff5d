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
from splitmodel.cluster.prompt_service import packing, prompt_company, prompt_pairs
from splitmodel.cluster.shared_iterations import Shared, Together, shared_iterations
from splitmodel.cluster.stalls import stalls
from splitmodel.queueing.balanced import met_share
from splitmodel.queueing.batch_level import batch_level, spread
from splitmodel.queueing.delay import even_variance_s2
from splitmodel.queueing.shortest_queue import lengths, shortest_queue
from splitmodel.roofline.batch import prefill_batch
from splitmodel.specs.cluster import BATCHINGS
from splitmodel.units import Scalar

_FOUND = 0.53
"""Least mean wait of whom finds prompts on all machines, over an iteration of decodes: that of the
others is a half, but even, so that fewer of them wait less than the mean."""


def continuous_flow(case: Case) -> Flow:
    """Prompts enter between decode iterations; in mixed batches decodes ride along with them."""
    load, sizes = case.load, case.sizes
    instance = case.instance(case.cluster.mixed)
    count = servers(case.cluster.mixed, instance)
    most = case.batch_limit(instance)
    mixes = case.cluster.batching == float(BATCHINGS.index("mixed"))
    prompts = interruptions(case, instance, most, mixes)
    packed = packing(case)
    full_s, pairs_s, token_s = case.times_s(
        instance, packed.iterations, prompt_pairs(case), prefill_batch(1.0)
    )
    lone_s = prompts.lone.mean_s
    alone = Together(
        packed.sharing(case, prompts.lone, pairs_s),
        jnp.sum(packed.cells_s(case, prompts.lone, full_s)) / lone_s,
    )

    def stay_s(batch: Scalar, decode_s: Scalar, stalled_s: Scalar) -> Scalar:
        # b = λ·D with D = n·T/(1 − λ·I), written without the quotient so that it stays finite.
        return sizes.mean_steps * decode_s + batch * jnp.maximum(stalled_s, 0.0)

    def stalled(batch: Scalar, decode_s: Scalar, batched: Scalar, iterations: Scalar) -> Scalar:
        """Time that each prompt adds to every decode that it meets [s]."""
        prefill_s, _ = prompts.prefill_moments(batch)
        interruption_s, *_ = prompts.interruption_moments(batch, decode_s)
        # A decode that rides along gets one token in an iteration, whatever prompts share it.
        return batched * prefill_s - iterations * (prefill_s - interruption_s)

    # A saturated server prefills full batches without a break. Where decodes ride along, each batch
    # brings them a step forward, so that they are no more than their steps times its prompts.
    riding = sizes.mean_steps * packed.batches.customers
    fullest = jnp.where(mixes, jnp.clip(riding, 1e-3, most), most)
    filled_s, _ = prompts.prefill_moments(fullest)
    filled = alone.next_to_decodes(lone_s / filled_s)
    step_s = case.step_s(fullest + 1.0, instance)
    held_s = stalled(fullest, step_s, filled.discount, 1.0 / filled.sharing.most)
    saturation_rps = count / jnp.maximum(
        stay_s(fullest, step_s, held_s) / fullest, filled.discount * filled_s
    )
    rate_rps = jnp.minimum(load.rate_rps, FULLEST * saturation_rps) / count

    def meeting(batch: Scalar, decode_s: Scalar) -> tuple[Shared, Scalar, Scalar]:
        """How prompts share iterations, what each adds to a decode [s], and the decodes it meets.

        The last as a share of those there are. Prompts go to machines that have none, where
        decodes are while they are not interrupted.
        """
        prefill_s, _ = prompts.prefill_moments(batch)
        together = alone.next_to_decodes(lone_s / prefill_s)
        some_s = -jnp.expm1(-batch) * decode_s
        shared = shared_iterations(rate_rps, count, prefill_s, some_s, together)
        stalled_s = stalled(batch, decode_s, shared.batched, shared.iterations)
        steps_s = rate_rps * sizes.mean_steps * decode_s
        present = steps_s / jnp.maximum(1.0 - rate_rps * stalled_s, 1.0 - FULLEST)
        free = jnp.maximum(1.0 - shared.busy, 1.0 - FULLEST)
        met = met_share(present, batch, count, free)
        # Who meets no prompt has all steps on machines without one, if prompts find such a machine.
        apart = (1.0 - met) * jnp.maximum(2.0 * shared.iterations - 1.0, 0.0)
        present = present + apart * (steps_s / free - present)
        return shared, stalled_s, met_share(present, batch, count, free)

    def with_prompts_s(batch: Scalar) -> Scalar:
        decode_s = case.step_s(batch + 1.0, instance)
        _, stalled_s, met = meeting(batch, decode_s)
        return stay_s(batch, decode_s, met * stalled_s)

    batch = batch_level(rate_rps, with_prompts_s, most)
    sizes_together = 1.0 + jnp.stack([batch, batch + spread(batch), jnp.zeros_like(batch)])
    decode_s, more_s, alone_s = case.step_s(sizes_together, instance)
    shared, stalled_s, met = meeting(batch, decode_s)
    others = met * batch
    prefill_s, prefill_second_s2 = prompts.prefill_moments(others)
    # A prompt lets the decode iteration in progress end, if there is one: even over it.
    rest_s = -jnp.expm1(-others) * decode_s
    prefill_edges_s, _ = prompts.prefill_s(others)
    own = lengths(prefill_s, prefill_second_s2, prefill_edges_s, sizes.prompt_weight)
    together = alone.next_to_decodes(lone_s / prefill_s)
    offered = rate_rps * together.discount * prefill_s
    slack = jnp.maximum(1.0 - offered, 1.0 - FULLEST)
    # Beyond what they can do, machines are as busy as they can be.
    busiest = 1.0 - slack
    occupied = shared.occupied * busiest / jnp.maximum(offered, busiest)
    queue = shortest_queue(
        own, occupied, busiest, slack, count, shared.cycle_s, together.sharing.pair
    )
    prefill_cells_s = 0.5 * (prefill_edges_s[1:] + prefill_edges_s[:-1])
    riding_s = prefill_edges_s[0] - prompts.lone.edges_s[0]
    joined = prompt_company(case, prefill_cells_s, token_s + riding_s)
    # Who finds prompts everywhere waits no less than who lets an iteration of decodes end.
    wait_s = jnp.maximum(queue.mean_s + joined.delay_s(queue.chance, count), _FOUND * rest_s)
    # What is met of an iteration varies, of decodes as of prompts.
    least_s = jnp.maximum(rest_s, prefill_s)
    wait_variance_s2 = jnp.maximum(queue.variation * wait_s**2, least_s**2 / 12.0)
    held_up = stalls(
        decode_s,
        rate_rps * met,
        stalled_s,
        prompts.interruption_moments(batch, decode_s),
        jnp.sum(sizes.prompt_weight * prompts.rides_cells),
        met,
        shared,
        queue,
        prefill_s,
        packed.batches.customers,
    )
    used = 1.0 - (1.0 - shared.busy) * jnp.exp(-batch)
    zero, every = jnp.zeros_like(saturation_rps), jnp.ones_like(load.prompt_tokens)
    return Flow(
        saturation_rps=saturation_rps,
        wait_share=queue.chance * every,
        wait_mean_s=wait_s,
        wait_variance_s2=wait_variance_s2,
        wait_even_s2=even_variance_s2(wait_s, wait_variance_s2),
        visit_share=0.0 * every,
        visit_mean_s=0.0 * every,
        visit_variance_s2=0.0 * every,
        rest_s=rest_s,
        prefill_edges_s=prefill_edges_s,
        transfer_edges_s=jnp.zeros_like(prefill_edges_s),
        join_s=zero,
        step_s=decode_s,
        step_variance_s2=(more_s - decode_s) ** 2,
        step_spare_s=decode_s - alone_s,
        stall_mean_s=held_up.mean_s,
        stall_variance_s2=held_up.variance_s2,
        stall_third_s3=held_up.third_s3,
        stall_lasting_s2=held_up.lasting_s2,
        link_wait_mean_s=zero,
        token_wait_mean_s=held_up.first_s,
        token_wait_variance_s2=held_up.first_variance_s2,
        batch=batch,
        utilisation=jnp.stack([zero, zero, used]),
        prefilling=shared.busy / jnp.maximum(used, 1e-9),
    )
