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
from splitmodel.cluster.prompt_service import PromptService
from splitmodel.cluster.sizes import cell_moments
from splitmodel.cluster.transfers import transfers_of
from splitmodel.queueing.balanced import met_share
from splitmodel.queueing.batch_level import spread, tabulated_level
from splitmodel.queueing.bounded_wait import REFERENCE_LOAD, bounded_wait
from splitmodel.queueing.delay import even_variance_s2
from splitmodel.queueing.link import Wait
from splitmodel.queueing.multi_server import wait_moments
from splitmodel.queueing.overflow import overflow_share
from splitmodel.queueing.shortest_queue import Delays, cycle_delay_s, loss_odds, shortest_queue
from splitmodel.units import Scalar

_TABULATED = np.linspace(0.0, 1.0, 65)
"""Batches between which the decode time is taken as linear, in logarithms of the largest."""
_LINGERING = 1.5
"""Machines that a pool has lent beyond those that would do: the last request on one keeps it."""
_OFTEN = 5.0
"""Decodes on prompt machines from which on some machine is nearly always lent."""
_COMPANY = 0.35
"""Prompts that fill the room in a batch for every one that would fit behind another."""
_LEAST_OWN = 0.1
"""Share of the prompt machines that is never lent: prompts can always go to token machines, too."""
_ALONE, _CROWDED = 0.12, 0.35
"""Backlog that a prompt meets on token machines, as a share of the limit: where few prompts go
there, and what is added where many do."""
_AWAY_SPREAD = 1.0
"""Variance of that backlog, in squares of it."""
_DRAIN, _FULL = 2.0, 1.3
"""Rests of a request's decode for which a machine stays mixed, and machines that are mixed for
every one that prompts keep busy."""
_FAR_AWAY = 1e6
"""Backlog limit of a prompt pool without a mixed pool, as a multiple of the usual one."""


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
    transfers = transfers_of(case, prompt, token, service)
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

    # Token pool: what would decode at once if memory had no end, and what exceeds it. Who decodes
    # sees as many others as there are on average, and itself.
    batches = jnp.expm1(jnp.asarray(_TABULATED, dtype=float) * jnp.log1p(on_token.most))
    wanted = tabulated_level(
        rate_rps / token_servers,
        batches,
        sizes.mean_steps * case.step_s(batches + 1.0, token),
    )
    wanted = jnp.minimum(wanted, (3.0 + prompt_servers / token_servers) * on_token.most)
    places = token_servers * on_token.most
    wanting = token_servers * wanted
    moved = overflow_share(wanting, wanting * sizes.resident_spread, places)
    moved = jnp.where(mixes, moved, 0.0)
    batch = jnp.minimum(wanted * (1.0 - moved), on_token.most)
    together = 1.0 + jnp.stack([batch, batch + spread(batch), jnp.zeros_like(batch)])
    iteration_s, more_s, alone_s = case.step_s(jnp.minimum(together, on_token.most + 1.0), token)
    stay_s = sizes.mean_steps * iteration_s
    full = jnp.minimum(rate_rps / decode_rps, FULLEST)
    empty = jnp.maximum((decode_rps - rate_rps) / decode_rps, 1.0 - FULLEST)
    place_s, place_second_s2 = wait_moments(stay_s, 2.0 * stay_s**2, full, empty, places)
    decoding = -jnp.expm1(-batch)

    # Prompt pool. Machines that took decodes get no prompts before they are empty again: as many as
    # hold what moved, and those that are not yet empty where any has.
    moving = wanting * moved
    lent = moving / on_prompt.most - _LINGERING * jnp.expm1(-moving / _OFTEN)
    own_servers = jnp.maximum(prompt_servers - lent, _LEAST_OWN * prompt_servers)
    packed = rate_rps * on_prompt.packed_s / own_servers
    alone = rate_rps * service.mean_s / own_servers
    lengths = service.lengths(sizes.prompt_weight)
    # A pool that sends prompts elsewhere may be offered more than it can do.
    reference = jnp.minimum(packed, jnp.where(mixes, REFERENCE_LOAD, FULLEST))
    offered_odds = loss_odds(jnp.maximum(alone, 1e-9), jnp.maximum(own_servers, 1.0))
    alone = alone * reference / jnp.maximum(packed, 1e-9)
    likelier = offered_odds / loss_odds(jnp.maximum(alone, 1e-9), jnp.maximum(own_servers, 1.0))
    cycle_s = cycle_delay_s(service.mean_s, alone, reference, on_prompt.sharing)
    delays = shortest_queue(lengths, alone, reference, 1.0 - reference, own_servers, cycle_s)
    spare_tokens = jnp.maximum(cluster.max_pending_tokens - load.prompt_tokens, 0.0)
    limit_s = spare_tokens * on_prompt.packed_s / sizes.mean_prompt_tokens
    stay = bounded_wait(
        delays,
        lengths,
        reference,
        packed,
        likelier,
        jnp.where(mixes, limit_s, _FAR_AWAY * cluster.max_pending_tokens * on_prompt.packed_s),
        own_servers,
        on_prompt.work,
    )
    elsewhere = jnp.where(mixes, stay.elsewhere, 0.0)

    # Decodes on token machines meet the prompts that went there, to the machine with the fewest.
    met = met_share(batch, batch, token_servers)
    visit_rps = met * rate_rps * sizes.prompt_weight * elsewhere / token_servers
    _, visit_second_s2 = cell_moments(on_token.service.edges_s, on_token.service.cells_s, visit_rps)
    # A machine that gets prompts takes them all, and stays mixed until its decodes have ended.
    visits_rps = jnp.sum(visit_rps) * token_servers
    visited = jnp.sum(visit_rps * on_token.service.cells_s) * token_servers
    mixed = -jnp.expm1(-visits_rps * _DRAIN * sizes.residual_steps * iteration_s) + _FULL * visited
    mixed = jnp.clip(mixed / token_servers, 1e-3, 1.0)
    stall_s = mixed * _stall_s(iteration_s, visit_rps / mixed, on_token.service.cells_s)

    staying = sizes.prompt_weight * (1.0 - elsewhere)
    kept = jnp.maximum(jnp.sum(staying), 1e-6)
    waiting = staying * stay.chance / kept
    stay_second_s2 = stay.variance_s2 + stay.mean_s**2
    link = transfers.wait(
        rate_rps * kept,
        rate_rps * (1.0 - moved),
        Wait(jnp.sum(waiting * stay.mean_s), jnp.sum(waiting * stay_second_s2)),
        batch * token.pipeline_parallel,
    ).of(kept)
    # Prompts on token machines wait for these, and for each other; a prompt beyond the token limit
    # even until some decode ends.
    crowd_s = _CROWDED * visited / (1.0 + visited) + _ALONE
    crowd_s = crowd_s * cluster.max_pending_tokens * on_token.packed_s / sizes.mean_prompt_tokens
    run_s = sizes.residual_steps * iteration_s / jnp.maximum(batch, 1.0)
    fits = load.prompt_tokens <= cluster.max_batch_tokens
    rest_s = decoding * jnp.where(fits, 0.5 * iteration_s, jnp.maximum(run_s, 0.5 * iteration_s))
    away_s = crowd_s + rest_s + on_token.service.cells_s - service.cells_s
    away_s = jnp.maximum(away_s, 0.0)
    by_prompt = _wait_by_prompt(case, delays, service)
    # Who goes elsewhere waits, too.
    stays = (1.0 - elsewhere) * stay.chance
    chance = jnp.maximum(stays + elsewhere, 1e-9)
    own_s, own_s2 = stay.mean_s * by_prompt, stay.variance_s2 * by_prompt**2
    wait_s = (stays * own_s + elsewhere * away_s) / chance
    second_s2 = stays * (own_s2 + own_s**2) + elsewhere * (away_s**2 + _AWAY_SPREAD * crowd_s**2)
    variance_s2 = second_s2 / chance - wait_s**2

    zero = jnp.zeros_like(saturation_rps)
    used = jnp.clip((packed * own_servers + lent) / prompt_servers, 0.0, 1.0)
    return Flow(
        saturation_rps=saturation_rps,
        wait_chance=jnp.minimum(chance, 1.0),
        wait_mean_s=wait_s,
        wait_variance_s2=variance_s2,
        wait_even_s2=even_variance_s2(wait_s, variance_s2),
        rest_s=zero,
        prefill_edges_s=service.edges_s,
        transfer_edges_s=transfers.edges_s,
        join_s=decoding * iteration_s,
        step_s=iteration_s,
        step_variance_s2=(more_s - iteration_s) ** 2,
        step_spare_s=iteration_s - alone_s,
        stall_mean_s=stall_s,
        stall_variance_s2=(iteration_s + stall_s) * visit_second_s2,
        stall_lasting_s2=stall_s**2 * (1.0 / mixed - 1.0),
        link_wait_mean_s=link.mean_s,
        token_wait_mean_s=link.mean_s + jnp.where(mixes, 0.0, place_s),
        token_wait_variance_s2=link.variance_s2
        + jnp.where(mixes, 0.0, place_second_s2 - place_s**2),
        batch=batch,
        utilisation=jnp.stack([used, decoding, zero]),
        prefilling=zero,
    )


def _wait_by_prompt(case: Case, delays: Delays, service: PromptService) -> Scalar:
    """Delay of each prompt cell over the mean one, [cells].

    Part of the delay is the company in the own batch, for which a long prompt leaves no room.
    """
    room = jnp.maximum(case.cluster.max_batch_tokens - case.load.prompt_tokens, 0.0)
    mean_room = jnp.sum(case.sizes.prompt_weight * room)
    filled = _COMPANY * mean_room / (_COMPANY * mean_room + case.sizes.mean_prompt_tokens)
    backlog = 1.0 - delays.residual_s / delays.mean_s
    share = jnp.minimum(filled * backlog * service.mean_s / delays.mean_s, 0.8)
    # Where most wait, short prompts more often find a place in a batch that is soon to begin.
    share = share * (1.0 - delays.chance) ** 2
    return 1.0 + share * (room / jnp.maximum(mean_room, 1.0) - 1.0)


def _helped_rps(
    tight_rps: Scalar, other_rps: Scalar, other_servers: Scalar, cost_s: Scalar
) -> Scalar:
    """Rate that is sustained if the other pool takes what overflows the tight one [requests/s].

    Work is conserved: the other pool serves its own phase, other_servers/other_rps of server time
    a request, and what exceeds `tight_rps`, at `cost_s` of its own server time a request.
    """
    return (other_servers + tight_rps * cost_s) / (other_servers / other_rps + cost_s)


def _stall_s(step_s: Scalar, prompts_rps: Scalar, prefill_s: Scalar) -> Scalar:
    """Mean time that prompts arriving at a server add to each of its decode steps [s].

    A step of T takes T/(1 − λ·I) where each prompt adds I. A server that is nearly always
    prefilling still alternates, hence the floor. Prompts by size, [cells].
    """
    interruption_s = jnp.maximum(prefill_s - step_s, 0.0)
    left = jnp.maximum(1.0 - jnp.sum(prompts_rps * interruption_s), 0.05)
    return step_s * (1.0 / left - 1.0)
