"""Prompts that wait in the prompt pool of a phase-splitting cluster, or go elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.costs import Costs
from splitmodel.cluster.flow import FULLEST
from splitmodel.queueing.bounded_wait import REFERENCE_LOAD, offered_queue
from splitmodel.queueing.shortest_queue import Delays
from splitmodel.units import Flag, Scalar

_COMPANY = 0.35
"""Prompts that fill the room in a batch for every one that would fit behind another."""
_FAR_AWAY = 1e6
"""Backlog limit of a prompt pool without a mixed pool, as a multiple of the usual one."""
_LEAST = 1e-9
"""Loads below this are none."""


class PromptPool(NamedTuple):
    """What becomes of the prompts of each cell; leaves have the shape [cells]."""

    elsewhere: Scalar
    """Share that goes to token machines."""
    chance: Scalar
    """Share of the others that waits."""
    mean_s: Scalar
    """Mean wait of these [s]."""
    second_s2: Scalar
    """Second moment of that [s²]."""
    packed: Scalar
    """Load of the pool if nobody went elsewhere and all batches were full, a scalar."""


def prompt_pool(
    case: Case, cost: Costs, rate_rps: Scalar, servers: Scalar, mixes: Flag
) -> PromptPool:
    """Waits in the shortest of the pool's queues.

    Args:
        case: the question.
        cost: of its requests on a prompt machine.
        rate_rps: arrivals [requests/s].
        servers: prompt machines that take prompts, a real number.
        mixes: whether a prompt goes to a token machine where the shortest queue is too long.
    """
    cluster, sizes, service = case.cluster, case.sizes, cost.service
    packed = jnp.maximum(rate_rps * cost.packed_s / servers, _LEAST)
    alone = jnp.maximum(rate_rps * service.mean_s / servers, _LEAST)
    # A pool that sends prompts elsewhere may be offered more than it can do.
    delays, stay = offered_queue(
        service.lengths(sizes.prompt_weight),
        alone,
        packed,
        jnp.where(mixes, REFERENCE_LOAD, FULLEST),
        jnp.where(
            mixes,
            backlog_limit_s(case, cost),
            _FAR_AWAY * cluster.max_pending_tokens * cost.packed_s,
        ),
        servers,
        cost.sharing,
        cost.work,
    )
    by_prompt = _by_prompt(case, delays, service.mean_s)
    return PromptPool(
        elsewhere=jnp.where(mixes, stay.elsewhere, 0.0),
        chance=stay.chance,
        mean_s=stay.mean_s * by_prompt,
        second_s2=(stay.variance_s2 + stay.mean_s**2) * by_prompt**2,
        packed=packed,
    )


def backlog_limit_s(case: Case, cost: Costs) -> Scalar:
    """Backlog at a prompt machine beyond which each prompt goes elsewhere [s], [cells]."""
    spare_tokens = jnp.maximum(case.cluster.max_pending_tokens - case.load.prompt_tokens, 0.0)
    return spare_tokens * cost.packed_s / case.sizes.mean_prompt_tokens


def _by_prompt(case: Case, delays: Delays, lone_s: Scalar) -> Scalar:
    """Delay of each prompt cell over the mean one, [cells].

    Part of the delay is the company in the own batch, for which a long prompt leaves no room.
    """
    room = jnp.maximum(case.cluster.max_batch_tokens - case.load.prompt_tokens, 0.0)
    mean_room = jnp.sum(case.sizes.prompt_weight * room)
    filled = _COMPANY * mean_room / (_COMPANY * mean_room + case.sizes.mean_prompt_tokens)
    backlog = 1.0 - delays.residual_s / delays.mean_s
    share = jnp.minimum(filled * backlog * lone_s / delays.mean_s, 0.8)
    # Where most wait, short prompts more often find a place in a batch that is soon to begin.
    share = share * (1.0 - delays.chance) ** 2
    return 1.0 + share * (room / jnp.maximum(mean_room, 1.0) - 1.0)
