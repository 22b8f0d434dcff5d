"""A phase-splitting cluster: a prompt pool, a token pool, and machines that help the other pool.

Prompts wait for the shortest queue of the prompt pool, decodes for the end of an iteration in the
token pool. With a mixed pool, prompts that find too long a queue go to token machines, where they
interrupt decodes, and decodes that find no memory go to prompt machines, which then take no prompts
before they are empty.

References:
    Patel et al., Splitwise, ISCA 2024, section IV (pools, scheduling, transfer).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.cluster.case import Case, servers
from splitmodel.cluster.costs import costs
from splitmodel.cluster.flow import FULLEST, Flow
from splitmodel.cluster.mixed_machines import Decoding, Visitors, mixed_machines
from splitmodel.cluster.prompt_pool import prompt_queue
from splitmodel.cluster.transfers import transfers_of
from splitmodel.cluster.visits import visits
from splitmodel.compilation import total
from splitmodel.queueing.batch_level import spread, tabulated_level, unevenness
from splitmodel.queueing.link import Wait
from splitmodel.queueing.multi_server import wait_moments
from splitmodel.queueing.overflow import blocked_shares
from splitmodel.units import Scalar

_TABULATED = np.linspace(0.0, 1.0, 65)
"""Batches between which the decode time is taken as linear, in logarithms of the largest."""
_LINGERING, _DRAINING = 0.5, 1.8
"""Machines that a pool has lent beyond those that would do, as the last request on one keeps it:
once any decode has moved, and those for a deviation of the memory that decodes need, as many again
where machines full of them have."""
OFTEN = 5.0
"""Decodes on prompt machines from which on some machine is nearly always lent."""
_STAY = 0.4
"""Share of the prompts that find the queue of the only token machine too long, too, and stay."""
_LEAST_OWN = 0.1
"""Share of the prompt machines that is never lent: prompts can always go to token machines, too."""


def splitwise_flow(case: Case) -> Flow:
    """Flow of requests through prompt and token pool at min(rate, FULLEST · saturation)."""
    cluster, load, sizes = case.cluster, case.load, case.sizes
    prompt, token = case.instance(cluster.prompt), case.instance(cluster.token)
    prompt_servers, token_servers = servers(cluster.prompt, prompt), servers(cluster.token, token)
    # Both phases on both kinds of machine, compiled once.
    both = jax.vmap(lambda instance: costs(case, instance))(
        jax.tree.map(lambda *leaves: jnp.stack(leaves), prompt, token)
    )
    on_prompt, on_token = (jax.tree.map(lambda leaf, k=k: leaf[k], both) for k in (0, 1))
    service = on_prompt.service
    # A pool does no more than its links carry.
    transfers = transfers_of(case, prompt, token, on_prompt)
    decode_rps = token_servers / on_token.decode_s
    prompt_rps = jnp.minimum(prompt_servers / on_prompt.packed_s, transfers.out.most_rps)
    token_rps = jnp.minimum(decode_rps, transfers.into.most_rps)
    together_rps = jnp.where(
        prompt_rps < token_rps,
        _helped_rps(prompt_rps, token_rps, token_servers, on_token.packed_s),
        _helped_rps(token_rps, prompt_rps, prompt_servers, on_prompt.decode_s),
    )
    mixes = cluster.mixed_pool > 0.0
    saturation_rps = jnp.where(mixes, together_rps, jnp.minimum(prompt_rps, token_rps))
    rate_rps = jnp.minimum(load.rate_rps, FULLEST * saturation_rps)

    # What depends on the hardware alone is tabulated.
    met = 1.0 + jnp.expm1(jnp.asarray(_TABULATED, dtype=float) * jnp.log1p(on_token.most))
    stays_s = sizes.mean_steps * case.step_s(met, token)

    def wanted_on(servers: Scalar) -> Scalar:
        """Requests that would decode on each of so many machines if memory had no end."""
        uneven = unevenness(servers, sizes.resident_spread)
        level = tabulated_level(rate_rps / servers, met, stays_s, uneven)
        return jnp.minimum(level, (3.0 + prompt_servers / token_servers) * on_token.most)

    # Token pool: what would decode at once, and what exceeds its memory.
    wanted = wanted_on(token_servers)
    places = token_servers * on_token.most
    wanting = token_servers * wanted
    # Memory is reserved from the assignment on, before the prompt is computed.
    reserved = wanting + rate_rps * service.mean_s
    moved, moved_places = blocked_shares(
        sizes.prompt_places,
        sizes.prompt_weight,
        reserved,
        sizes.resident_spread,
        places,
        token_servers,
    )
    moved = jnp.where(mixes, moved, 0.0)

    # Prompt pool. Machines that took decodes get no prompts before they are empty again: as many as
    # hold what moved, and those that are not yet empty where any has.
    moving = reserved * jnp.where(mixes, moved_places, 0.0)
    varying = spread(reserved, sizes.resident_spread) / on_prompt.most
    any_moved = -jnp.expm1(-moving / OFTEN)
    machines_moved = -jnp.expm1(-moving / on_prompt.most)
    lingering = _LINGERING * any_moved + _DRAINING * varying * (any_moved + machines_moved)
    lent = moving / on_prompt.most + lingering
    own_servers = jnp.maximum(prompt_servers - lent, _LEAST_OWN * prompt_servers)
    queue = prompt_queue(case, on_prompt, rate_rps, own_servers, mixes)
    pool = queue.pool()

    # Token machines that prompts visit; new decodes go to the others.
    taken = 1.0 - _STAY / jnp.maximum(token_servers, 1.0) ** 2
    pool = pool._replace(elsewhere=taken * pool.elsewhere)
    visitors_rps = rate_rps * sizes.prompt_weight * pool.elsewhere
    decoded_rps = jnp.maximum(rate_rps * jnp.maximum(sizes.mean_steps, 1e-6), 1e-9)
    staying = sizes.prompt_weight * (1.0 - pool.elsewhere)
    kept = jnp.maximum(total(staying), 1e-6)
    waiting = staying * pool.chance / kept
    # Decodes come to the machine that they were assigned to so long before.
    ahead_s = service.mean_s + total(waiting * pool.mean_s)
    visitors = Visitors(
        total(visitors_rps),
        total(visitors_rps * on_token.service.cells_s),
        total(visitors_rps * jnp.minimum(on_token.service.cells_s, ahead_s)),
    )
    decoding = Decoding(
        batch=jnp.minimum(wanted * (1.0 - moved), on_token.most),
        step_s=wanting / decoded_rps,
        servers=token_servers,
        most=on_token.most,
        helped=any_moved,
    )
    mixed = mixed_machines(sizes, visitors, decoding)
    batch = jnp.minimum(wanted_on(mixed.left) * (1.0 - moved), on_token.most)
    uneven = unevenness(mixed.left, sizes.resident_spread)
    together = jnp.maximum(batch + uneven, 1.0)
    iteration_s, more_s, alone_s = (
        case.step_s(jnp.minimum(number, on_token.most + 1.0), token)
        for number in (together, together + spread(batch, uneven), jnp.ones_like(batch))
    )
    stay_s = sizes.mean_steps * iteration_s
    full = jnp.minimum(rate_rps / decode_rps, FULLEST)
    empty = jnp.maximum((decode_rps - rate_rps) / decode_rps, 1.0 - FULLEST)
    # Memory of requests that differ runs out as that of fewer, larger ones.
    equal = places / sizes.resident_spread
    place_s, place_second_s2 = wait_moments(stay_s, 2.0 * stay_s**2, full, empty, equal)
    occupied = -jnp.expm1(-batch)

    away = visits(case, on_prompt, on_token, visitors_rps, ahead_s, iteration_s, mixed)
    link = transfers.wait(
        rate_rps * kept,
        rate_rps * (1.0 - moved),
        Wait(
            total(waiting * pool.mean_s),
            total(waiting * (pool.variance_s2 + pool.mean_s**2)),
        ),
        batch * token.pipeline_parallel,
    ).of(kept)
    zero = jnp.zeros_like(saturation_rps)
    used = jnp.clip((queue.packed * own_servers + lent) / prompt_servers, 0.0, 1.0)
    return Flow(
        saturation_rps=saturation_rps,
        wait_share=(1.0 - pool.elsewhere) * pool.chance,
        wait_mean_s=pool.mean_s,
        wait_variance_s2=pool.variance_s2,
        wait_even_s2=pool.even_s2,
        visit_share=pool.elsewhere,
        visit_mean_s=away.wait_s,
        visit_variance_s2=away.wait_variance_s2,
        rest_s=zero,
        prefill_edges_s=service.edges_s,
        transfer_edges_s=transfers.edges_s,
        join_s=occupied * iteration_s,
        step_s=iteration_s,
        step_variance_s2=(more_s - iteration_s) ** 2,
        step_spare_s=iteration_s - alone_s,
        stall_mean_s=away.stall_mean_s,
        stall_variance_s2=away.stall_variance_s2,
        stall_third_s3=away.stall_third_s3,
        stall_lasting_s2=zero,
        link_wait_mean_s=link.mean_s,
        token_wait_mean_s=link.mean_s + away.begin_s + jnp.where(mixes, 0.0, place_s),
        token_wait_variance_s2=link.variance_s2
        + away.begin_variance_s2
        + jnp.where(mixes, 0.0, place_second_s2 - place_s**2),
        batch=batch,
        utilisation=jnp.stack([used, occupied, zero]),
        prefilling=zero,
    )


def _helped_rps(
    tight_rps: Scalar, other_rps: Scalar, other_servers: Scalar, cost_s: Scalar
) -> Scalar:
    """Rate that is sustained if the other pool takes what overflows the tight one [requests/s].

    Work is conserved: the other pool serves its own phase, other_servers/other_rps of server time
    a request, and what exceeds `tight_rps`, at `cost_s` of its own server time a request.
    """
    return (other_servers + tight_rps * cost_s) / (other_servers / other_rps + cost_s)
