"""Prompts on token machines: how long they wait there, and how they hold up decodes.

A machine that gets prompts joins the mixed pool, takes the next ones, too, and stays there until
its decodes have ended. Prompts thus gather on few machines, and so do the stalls of decodes.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.costs import Costs
from splitmodel.cluster.sizes import cell_moments
from splitmodel.compilation import compiled_apart
from splitmodel.queueing.balanced import met_share
from splitmodel.units import Scalar

_ALONE, _CROWDED = 0.12, 0.35
"""Backlog that a prompt meets on token machines, as a share of the limit: where few prompts go
there, and what is added where many do."""
_DRAIN, _FULL = 2.0, 1.3
"""Rests of a request's decode for which a machine stays mixed, and machines that are mixed for
every one that prompts keep busy."""


class Visits(NamedTuple):
    """What visiting prompts do to decodes, and what they meet."""

    stall_mean_s: Scalar
    """Interruption of decodes, mean per step [s]."""
    stall_variance_s2: Scalar
    """Its variance per step [s²]; steps add up independently."""
    stall_lasting_s2: Scalar
    """Variance of the mean stall per step, over decodes on mixed machines and on others [s²]."""
    wait_s: Scalar
    """Time to the first token beyond a prefill on a prompt machine, by prompt [s], [cells]."""
    wait_second_s2: Scalar
    """Second moment of that [s²], [cells]."""


@compiled_apart
def visits(
    case: Case,
    on_prompt: Costs,
    on_token: Costs,
    visitors_rps: Scalar,
    step_s: Scalar,
    batch: Scalar,
    servers: Scalar,
) -> Visits:
    """Visits of prompts on token machines.

    Args:
        case: the question.
        on_prompt: costs on a prompt machine.
        on_token: costs on a token machine.
        visitors_rps: prompts of each cell that go to token machines [requests/s], [cells].
        step_s: decode iteration without interruption [s].
        batch: requests that decode together on a token machine.
        servers: token machines, a real number.
    """
    cluster, load, sizes = case.cluster, case.load, case.sizes
    service = on_token.service
    # Decodes meet the prompts that go to the machine with the fewest.
    met_rps = met_share(batch, batch, servers) * visitors_rps / servers
    _, met_second_s2 = cell_moments(service.edges_s, service.cells_s, met_rps)
    busy = jnp.sum(met_rps * service.cells_s) * servers
    drains = _DRAIN * sizes.residual_steps * step_s * jnp.sum(met_rps) * servers
    mixed = jnp.clip((_FULL * busy - jnp.expm1(-drains)) / servers, 1e-3, 1.0)
    stall_s = mixed * _stall_s(step_s, met_rps / mixed, service.cells_s)

    # Prompts wait for each other and for the iteration in progress; one beyond the token limit
    # even until some decode ends.
    backlog_s = cluster.max_pending_tokens * on_token.packed_s / sizes.mean_prompt_tokens
    crowd_s = (_ALONE + _CROWDED * busy / (1.0 + busy)) * backlog_s
    end_s = jnp.maximum(sizes.residual_steps / jnp.maximum(batch, 1.0), 0.5) * step_s
    fits = load.prompt_tokens <= cluster.max_batch_tokens
    rest_s = -jnp.expm1(-batch) * jnp.where(fits, 0.5 * step_s, end_s)
    wait_s = crowd_s + rest_s + service.cells_s - on_prompt.service.cells_s
    wait_s = jnp.maximum(wait_s, 0.0)
    return Visits(
        stall_mean_s=stall_s,
        stall_variance_s2=(step_s + stall_s) * met_second_s2,
        stall_lasting_s2=stall_s**2 * (1.0 / mixed - 1.0),
        wait_s=wait_s,
        wait_second_s2=wait_s**2 + crowd_s**2,
    )


def _stall_s(step_s: Scalar, prompts_rps: Scalar, prefill_s: Scalar) -> Scalar:
    """Mean time that prompts arriving at a server add to each of its decode steps [s].

    A step of T takes T/(1 − λ·I) where each prompt adds I. A server that is nearly always
    prefilling still alternates, hence the floor. Prompts by size, [cells].
    """
    interruption_s = jnp.maximum(prefill_s - step_s, 0.0)
    left = jnp.maximum(1.0 - jnp.sum(prompts_rps * interruption_s), 0.05)
    return step_s * (1.0 / left - 1.0)
