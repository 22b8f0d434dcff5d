"""Prompts that wait in the prompt pool of a phase-splitting cluster, or go elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.costs import Costs
from splitmodel.cluster.flow import FULLEST
from splitmodel.queueing.bounded_wait import REFERENCE_LOAD, offered_queue
from splitmodel.units import Flag, Scalar

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
    variance_s2: Scalar
    """Variance of that [s²]."""
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
    mean_s = stay.mean_s + cost.company.delay_s(stay.chance, servers)
    return PromptPool(
        elsewhere=jnp.where(mixes, stay.elsewhere, 0.0),
        chance=stay.chance,
        mean_s=mean_s,
        # What company adds varies as delays of the open queue do.
        variance_s2=stay.variance_s2 + delays.variation * (mean_s**2 - stay.mean_s**2),
        packed=packed,
    )


def backlog_limit_s(case: Case, cost: Costs) -> Scalar:
    """Backlog at a prompt machine beyond which each prompt goes elsewhere [s], [cells]."""
    spare_tokens = jnp.maximum(case.cluster.max_pending_tokens - case.load.prompt_tokens, 0.0)
    return spare_tokens * cost.packed_s / case.sizes.mean_prompt_tokens
