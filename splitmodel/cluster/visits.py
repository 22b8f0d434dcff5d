"""Prompts on token machines: how long they wait there, and how they hold up decodes."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.costs import Costs
from splitmodel.cluster.first_end import first_end
from splitmodel.cluster.mixed_machines import Mixed
from splitmodel.compilation import compiled_apart, total
from splitmodel.units import Scalar

_ALONE, _CROWDED = 0.05, 0.1
"""Backlog that a prompt meets on token machines, as a share of the limit: where few prompts go
there, and what is added where many do."""


class Visits(NamedTuple):
    """What visiting prompts do to decodes, and what they meet."""

    stall_mean_s: Scalar
    """Interruption of decodes, mean per step [s]."""
    stall_variance_s2: Scalar
    """Its variance per step [s²]; steps add up independently."""
    stall_third_s3: Scalar
    """Third central moment of that [s³]."""
    begin_s: Scalar
    """Wait of decodes that come while a prompt is there, mean over requests [s]."""
    begin_variance_s2: Scalar
    """Its variance over them [s²]."""
    wait_s: Scalar
    """Time to the first token beyond a prefill on a prompt machine, by prompt [s], [cells]."""
    wait_variance_s2: Scalar
    """Its variance [s²], [cells]."""


@compiled_apart
def visits(
    case: Case,
    on_prompt: Costs,
    on_token: Costs,
    visitors_rps: Scalar,
    ahead_s: Scalar,
    step_s: Scalar,
    mixed: Mixed,
) -> Visits:
    """Visits of prompts on token machines.

    Args:
        case: the question.
        on_prompt: costs on a prompt machine.
        on_token: costs on a token machine.
        visitors_rps: prompts of each cell that go to token machines [requests/s], [cells].
        ahead_s: time from a request's arrival to its decode [s].
        step_s: decode iteration without interruption [s].
        mixed: token machines that are in the mixed pool.
    """
    cluster, load, sizes = case.cluster, case.load, case.sizes
    service = on_token.service
    all_rps = jnp.maximum(total(visitors_rps), 1e-12)
    busy = total(visitors_rps * service.cells_s)
    interruption_s = jnp.maximum(service.cells_s - step_s, 0.0)
    each_s = total(visitors_rps * interruption_s) / all_rps
    each_second_s2 = total(visitors_rps * interruption_s**2) / all_rps
    steps_rps = jnp.maximum(load.rate_rps * sizes.mean_steps, 1e-9)
    stall_s = all_rps * each_s * mixed.met / steps_rps
    # Who is there at the first visit sees some of the others: few requests have all the stalls. How
    # many is geometric, with these factorial moments.
    seen = mixed.met / jnp.maximum(mixed.begun, 1e-9)
    more = jnp.maximum(seen - 1.0, 0.0)
    pairs, triples = 2.0 * seen * more, 6.0 * seen * more**2
    each_third_s3 = total(visitors_rps * interruption_s**3) / all_rps
    second_s2 = seen * each_second_s2 + pairs * each_s**2
    third_s3 = seen * each_third_s3 + 3.0 * pairs * each_second_s2 * each_s + triples * each_s**3

    # Most decodes that come during a visit were assigned before it began.
    early_s = jnp.minimum(service.cells_s, ahead_s)
    early_rps, left_s = visitors_rps * early_s, service.cells_s - 0.5 * early_s
    early = jnp.maximum(total(early_rps), 1e-12)
    begin_s = mixed.coming * total(early_rps * left_s) / early
    begin_second_s2 = mixed.coming * total(early_rps * left_s**2) / early

    # Prompts wait for each other and for the iteration in progress; one beyond the token limit
    # even until some decode ends.
    backlog_s = cluster.max_pending_tokens * on_token.packed_s / sizes.mean_prompt_tokens
    crowd_s = (_ALONE + _CROWDED * busy / (1.0 + busy)) * backlog_s
    some, end_steps, end_steps2 = first_end(sizes, mixed.met)
    shortest, longest = load.prompt_edges_tokens[:-1], load.prompt_edges_tokens[1:]
    beyond = (longest - cluster.max_batch_tokens) / jnp.maximum(longest - shortest, 1e-6)
    beyond = jnp.clip(beyond, 0.0, 1.0)
    rest_s = (1.0 - beyond) * some * 0.5 * step_s + beyond * end_steps * step_s
    rest_second_s2 = (1.0 - beyond) * some / 3.0 + beyond * end_steps2
    rest_second_s2 = rest_second_s2 * step_s**2
    wait_s = crowd_s + rest_s + service.cells_s - on_prompt.service.cells_s
    return Visits(
        stall_mean_s=stall_s,
        stall_variance_s2=all_rps * mixed.begun / steps_rps * second_s2,
        stall_third_s3=all_rps * mixed.begun / steps_rps * third_s3,
        begin_s=begin_s,
        begin_variance_s2=begin_second_s2 - begin_s**2,
        wait_s=jnp.maximum(wait_s, 0.0),
        wait_variance_s2=crowd_s**2 + rest_second_s2 - rest_s**2,
    )
