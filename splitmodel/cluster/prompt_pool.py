"""Prompts that wait in the prompt pool of a phase-splitting cluster, or go elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.costs import Costs
from splitmodel.cluster.flow import FULLEST
from splitmodel.queueing import bounded_wait, company, shortest_queue
from splitmodel.queueing.bounded_wait import REFERENCE_LOAD, BoundedFit, offered_queue
from splitmodel.queueing.company import Company, CompanyFit
from splitmodel.queueing.delay import even_variance_s2
from splitmodel.queueing.shortest_queue import Lengths, QueueFit, Sharing
from splitmodel.units import Flag, Scalar

_FAR_AWAY = 1e6
"""Backlog limit of a prompt pool without a mixed pool, as a multiple of the usual one."""
_LEAST = 1e-9
"""Loads below this are none."""


class Fits(NamedTuple):
    """Constants of the queue that are fitted together."""

    queue: QueueFit = shortest_queue.FITTED
    company: CompanyFit = company.FITTED
    bounded: BoundedFit = bounded_wait.FITTED


FITTED = Fits()


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
    even_s2: Scalar
    """Part of it that is even, not exponential [s²]."""


class PromptQueue(eqx.Module):
    """What decides about the waits in a prompt pool."""

    service: Lengths
    """Of prompts alone."""
    alone: Scalar
    """Load per machine if every prompt came in and was served alone."""
    packed: Scalar
    """That if nobody went elsewhere and all batches were full."""
    most: Scalar
    """Most of that at which the open queue is looked at."""
    limit_s: Scalar
    """Backlog beyond which each prompt goes elsewhere [s], [cells]."""
    servers: Scalar
    """Prompt machines that take prompts, a real number."""
    sharing: Sharing
    company: Company
    work: Scalar
    """Share of each cell in the load, [cells]."""
    mixes: Flag
    """Whether a prompt goes to a token machine where the shortest queue is too long."""

    def pool(self, fits: Fits = FITTED) -> PromptPool:
        """Waits in the shortest of the pool's queues."""
        delays, stay = offered_queue(
            self.service,
            self.alone,
            self.packed,
            self.most,
            self.limit_s,
            self.servers,
            self.sharing,
            self.work,
            fits.bounded,
            fits.queue,
        )
        mean_s = stay.mean_s + self.company.delay_s(stay.chance, self.servers, fits.company)
        # What company adds varies as delays of the open queue do.
        variance_s2 = stay.variance_s2 + delays.variation * (mean_s**2 - stay.mean_s**2)
        return PromptPool(
            elsewhere=jnp.where(self.mixes, stay.elsewhere, 0.0),
            chance=stay.chance,
            mean_s=mean_s,
            variance_s2=variance_s2,
            even_s2=even_variance_s2(mean_s, variance_s2),
        )


def prompt_queue(
    case: Case, cost: Costs, rate_rps: Scalar, servers: Scalar, mixes: Flag
) -> PromptQueue:
    """The queue of a prompt pool.

    Args:
        case: the question.
        cost: of its requests on a prompt machine.
        rate_rps: arrivals [requests/s].
        servers: prompt machines that take prompts, a real number.
        mixes: whether a prompt goes to a token machine where the shortest queue is too long.
    """
    cluster, sizes, service = case.cluster, case.sizes, cost.service
    return PromptQueue(
        service=service.lengths(sizes.prompt_weight),
        alone=jnp.maximum(rate_rps * service.mean_s / servers, _LEAST),
        packed=jnp.maximum(rate_rps * cost.packed_s / servers, _LEAST),
        # A pool that sends prompts elsewhere may be offered more than it can do.
        most=jnp.where(mixes, REFERENCE_LOAD, FULLEST),
        limit_s=jnp.where(
            mixes,
            _backlog_limit_s(case, cost),
            _FAR_AWAY * cluster.max_pending_tokens * cost.packed_s,
        ),
        servers=servers,
        sharing=cost.sharing,
        company=cost.company,
        work=cost.work,
        mixes=mixes,
    )


def _backlog_limit_s(case: Case, cost: Costs) -> Scalar:
    """Backlog at a prompt machine beyond which each prompt goes elsewhere [s], [cells]."""
    spare_tokens = jnp.maximum(case.cluster.max_pending_tokens - case.load.prompt_tokens, 0.0)
    return spare_tokens * cost.packed_s / case.sizes.mean_prompt_tokens
