"""Machines that run both phases and admit prompts between decode iterations.

References:
    Patel et al., Splitwise, ISCA 2024, Figure 2 (batching mechanisms); Yu et al., Orca, OSDI 2022
    (continuous batching).
"""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.cluster.case import Case, servers
from splitmodel.cluster.flow import FULLEST, UNPOOLED, Flow
from splitmodel.cluster.interruption import interruptions
from splitmodel.queueing.batch_level import batch_level, spread
from splitmodel.queueing.multi_server import wait_moments
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

    def stay_s(batch: Scalar) -> Scalar:
        # b = λ·D with D = n·T/(1 − λ·I), written without the quotient so that it stays finite.
        decode_s = case.step_s(batch, instance)
        stalled_s, _ = prompts.interruption_moments(batch, decode_s)
        return sizes.mean_steps * decode_s + batch * jnp.maximum(stalled_s, 0.0)

    # A server with `most` decodes in progress still finds time for its prompts.
    prefill_cost_s, _ = prompts.prefill_moments(most)
    saturation_rps = count / jnp.maximum(stay_s(most) / most, prefill_cost_s)
    rate_rps = jnp.minimum(load.rate_rps, FULLEST * saturation_rps) / count
    batch = batch_level(rate_rps, stay_s, most)
    decode_s, more_s = case.step_s(batch + jnp.stack([0.0 * batch, spread(batch)]), instance)
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
        step_variance_s2=(more_s - decode_s) ** 2,
        stall_mean_s=jnp.maximum(tbt_s - decode_s, 0.0),
        stall_variance_s2=rate_rps * tbt_s * stall_second_s2,
        token_wait_mean_s=zero,
        token_wait_variance_s2=zero,
        batch=batch,
        utilisation=jnp.stack([zero, zero, used]),
        prefilling=busy / jnp.maximum(used, 1e-9),
    )
