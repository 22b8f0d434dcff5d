"""Machines that run both phases, one batch of requests from start to end at a time.

References:
    Patel et al., Splitwise, ISCA 2024, Figure 2 (batching mechanisms).
"""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.cluster.case import Case, servers
from splitmodel.cluster.flow import FULLEST, Flow
from splitmodel.queueing.batch_level import batch_level
from splitmodel.queueing.multi_server import waiting_chance
from splitmodel.roofline.batch import Batch, mixed_batch, prefill_batch
from splitmodel.units import Scalar


def request_flow(case: Case) -> Flow:
    """A batch runs to the end of its longest output before the next one starts.

    Who arrives meanwhile forms the next batch, so that it grows with the rate; a server is
    saturated where the batch reaches what fits.
    """
    load, sizes = case.load, case.sizes
    instance = case.instance(case.cluster.mixed)
    count = servers(case.cluster.mixed, instance)

    def prefill(batch: Scalar, own_tokens: Scalar) -> Batch:
        others = jnp.maximum(batch - 1.0, 0.0)
        typical = prefill_batch(sizes.mean_prompt_tokens * jnp.ones_like(own_tokens), others)
        return mixed_batch(prefill_batch(own_tokens), typical)

    def longest_steps(batch: Scalar) -> Scalar:
        """Mean of the longest output of `batch` independent requests, less its first token."""
        below = jnp.cumsum(sizes.output_weight)
        powers = jnp.clip(below, 1e-9, 1.0) ** jnp.maximum(batch, 1.0)
        return jnp.sum(jnp.diff(powers, prepend=0.0) * load.output_tokens) - 1.0

    def cycle_s(batch: Scalar) -> Scalar:
        prompts = prefill(batch, sizes.mean_prompt_tokens * jnp.ones_like(batch))
        decodes = case.decoding(jnp.maximum(batch, 1.0))
        prefill_s, step_s = case.times_s(instance, prompts, decodes)
        return prefill_s + longest_steps(batch) * step_s

    fullest = jnp.maximum(case.batch_limit(instance), 1.0)
    saturation_rps = count * fullest / cycle_s(fullest)
    rate_rps = jnp.minimum(load.rate_rps, FULLEST * saturation_rps) / count
    batch = jnp.maximum(batch_level(rate_rps, cycle_s, fullest), 1.0)
    edges = load.prompt_edges_tokens
    edges_s, prefill_s, step_s = case.times_s(
        instance,
        prefill(batch * jnp.ones_like(edges), edges),
        prefill(batch, sizes.mean_prompt_tokens * jnp.ones_like(batch)),
        case.decoding(batch),
    )
    whole_s = prefill_s + longest_steps(batch) * step_s
    busy = jnp.minimum(rate_rps * whole_s / batch, FULLEST)
    chance = waiting_chance(busy, count)
    zero, every = jnp.zeros_like(saturation_rps), jnp.ones_like(load.prompt_tokens)
    return Flow(
        saturation_rps=saturation_rps,
        # Arrivals are uniform over the cycle in progress.
        wait_share=chance * every,
        wait_mean_s=0.5 * whole_s * every,
        wait_variance_s2=whole_s**2 / 12.0 * every,
        wait_even_s2=whole_s**2 / 12.0 * every,
        visit_share=0.0 * every,
        visit_mean_s=0.0 * every,
        visit_variance_s2=0.0 * every,
        rest_s=zero,
        prefill_edges_s=edges_s,
        transfer_edges_s=jnp.zeros_like(edges),
        join_s=zero,
        step_s=step_s,
        step_variance_s2=zero,
        step_spare_s=zero,
        stall_mean_s=zero,
        stall_variance_s2=zero,
        stall_third_s3=zero,
        stall_lasting_s2=zero,
        link_wait_mean_s=zero,
        token_wait_mean_s=zero,
        token_wait_variance_s2=zero,
        batch=batch,
        utilisation=jnp.stack([zero, zero, busy]),
        prefilling=prefill_s / whole_s,
    )
