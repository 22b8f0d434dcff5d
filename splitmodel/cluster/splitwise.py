"""A phase-splitting cluster: a prompt pool, a token pool, and machines that help the other pool.

First approximation: both pools are queues of their own; the mixed pool only raises the rate that
they can sustain together.

References:
    Patel et al., Splitwise, ISCA 2024, section IV (pools, scheduling, transfer).
"""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.cluster.case import Case, servers
from splitmodel.cluster.flow import Flow
from splitmodel.cluster.prompt_service import packed_prefill_s, prompt_service
from splitmodel.iteration.instance import Instance
from splitmodel.iteration.transfer import visible_transfer_s
from splitmodel.queueing.batch_level import batch_level
from splitmodel.queueing.multi_server import wait_moments
from splitmodel.units import Scalar

UNPOOLED = 0.5
"""Share of a residual prefill that a prompt still sits out at the shortest of many queues."""
FULLEST = 0.999
"""Beyond this share of saturation times are those at it; the status tells."""


def splitwise_flow(case: Case) -> Flow:
    """Flow of requests through prompt and token pool at min(rate, FULLEST · saturation)."""
    cluster, load, sizes = case.cluster, case.load, case.sizes
    prompt, token = case.instance(cluster.prompt), case.instance(cluster.token)
    prompt_servers, token_servers = servers(cluster.prompt, prompt), servers(cluster.token, token)
    service = prompt_service(case, prompt)
    packed_s = packed_prefill_s(case, service, prompt)
    most = case.batch_limit(token)
    prompt_rps = prompt_servers / packed_s
    token_rps = token_servers / _decode_cost_s(case, token)
    together_rps = jnp.where(
        prompt_rps < token_rps,
        _helped_rps(prompt_rps, token_rps, token_servers, _prefill_cost_s(case, token)),
        _helped_rps(token_rps, prompt_rps, prompt_servers, _decode_cost_s(case, prompt)),
    )
    saturation_rps = jnp.where(
        cluster.mixed_pool > 0.0, together_rps, jnp.minimum(prompt_rps, token_rps)
    )
    rate_rps = jnp.minimum(load.rate_rps, FULLEST * saturation_rps)

    # Prompt pool: batches form as the queue does, so occupancy moves from lone to packed.
    filling = jnp.minimum(rate_rps / prompt_rps, FULLEST)
    occupancy_s = service.mean_s + filling * (packed_s - service.mean_s)
    utilisation = jnp.minimum(rate_rps * occupancy_s / prompt_servers, FULLEST)
    slack = jnp.maximum((prompt_servers - rate_rps * occupancy_s) / prompt_servers, 1.0 - FULLEST)
    _, wait_s, wait_second_s2 = wait_moments(
        service.mean_s, service.second_s2, utilisation, slack, prompt_servers, UNPOOLED
    )

    batch = batch_level(
        rate_rps / token_servers,
        lambda together: sizes.mean_steps * case.step_s(together, token),
        most,
    )
    iteration_s = case.step_s(batch, token)
    deviation_s = case.step_s(batch + jnp.sqrt(batch), token) - iteration_s
    places = token_servers * most
    stay_s = sizes.mean_steps * iteration_s
    full = jnp.minimum(rate_rps / token_rps, FULLEST)
    empty = jnp.maximum((token_rps - rate_rps) / token_rps, 1.0 - FULLEST)
    _, place_s, place_second_s2 = wait_moments(
        stay_s, 2.0 * stay_s**2, full, empty, places, unpooled=0.0
    )

    transfer_s = visible_transfer_s(
        load.prompt_edges_tokens,
        service.edges_s,
        case.model,
        (prompt, token),
        case.semantics,
        cluster.kv_transfer,
    )
    zero = jnp.zeros_like(saturation_rps)
    return Flow(
        saturation_rps=saturation_rps,
        wait_mean_s=wait_s,
        wait_variance_s2=wait_second_s2 - wait_s**2,
        prefill_edges_s=service.edges_s,
        transfer_edges_s=transfer_s,
        step_s=iteration_s,
        step_deviation_s=deviation_s,
        stall_mean_s=zero,
        stall_variance_s2=zero,
        token_wait_mean_s=place_s,
        token_wait_variance_s2=place_second_s2 - place_s**2,
        batch=batch,
        utilisation=jnp.stack([utilisation, -jnp.expm1(-batch), zero]),
        prefilling=zero,
    )


def _prefill_cost_s(case: Case, instance: Instance) -> Scalar:
    """Server time that a request's prefill costs at best [s]."""
    return packed_prefill_s(case, prompt_service(case, instance), instance)


def _decode_cost_s(case: Case, instance: Instance) -> Scalar:
    """Server time that a request's decode steps cost at best, in a full batch [s]."""
    most = case.batch_limit(instance)
    return jnp.maximum(case.sizes.mean_steps * case.step_s(most, instance) / most, 1e-9)


def _helped_rps(
    tight_rps: Scalar, other_rps: Scalar, other_servers: Scalar, cost_s: Scalar
) -> Scalar:
    """Rate that is sustained if the other pool takes what overflows the tight one [requests/s].

    Work is conserved: the other pool serves its own phase, other_servers/other_rps of server time
    a request, and what exceeds `tight_rps`, at `cost_s` of its own server time a request.
    """
    return (other_servers + tight_rps * cost_s) / (other_servers / other_rps + cost_s)
