"""How prompts hold up decodes on machines that run both phases.

A prompt interrupts all decodes of its machine, once. Of each decode step, the interruptions add up
nearly as in a compound Poisson process, but for three things: who rides along has one per step at
most, they gather where prompts meet few of the decodes, and who begins to decode is first held up
by those who came during the own prefill.

References:
    Pollaczek and Khinchine as in Kleinrock, Queueing Systems I (1975), section 5.8 (customers that
    a departure leaves behind).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from splitmodel.cluster.flow import FULLEST
from splitmodel.cluster.shared_iterations import Shared
from splitmodel.queueing.shortest_queue import Delays
from splitmodel.units import Scalar

_GATHERING, _LEAST_MET = 0.55, 0.05
"""Squared variation of decodes' mean stalls, over what it would be if some machines got all prompts
and the others none, and least share of the decodes for which that is told."""


class Stalls(NamedTuple):
    """What a request's decode steps take beyond themselves."""

    mean_s: Scalar
    """Mean per step [s]."""
    variance_s2: Scalar
    """Variance per step [s²]; steps add up independently."""
    third_s3: Scalar
    """Third central moment of that [s³]."""
    lasting_s2: Scalar
    """Variance of the mean per step, of requests with many steps [s²]."""
    first_s: Scalar
    """Mean before the first step [s]."""
    first_variance_s2: Scalar
    """Its variance [s²]."""


def stalls(
    step_s: Scalar,
    met_rps: Scalar,
    added_s: Scalar,
    interruption: tuple[Scalar, Scalar, Scalar],
    rides: Scalar,
    met: Scalar,
    shared: Shared,
    queue: Delays,
    prefill_s: Scalar,
    most: Scalar,
) -> Stalls:
    """Stalls of decodes by prompts that enter between their steps.

    Args:
        step_s: decode iteration without prompts [s].
        met_rps: prompts that a decode meets, of those at its machine [1/s].
        added_s: time that each of them adds to its decode [s].
        interruption: mean [s], second [s²] and third moment [s³] of what one prompt alone adds.
        rides: share of the prompts with which decodes ride along.
        met: decodes that a prompt meets, over those there are on each machine.
        shared: how prompts share iterations.
        queue: delays of prompts.
        prefill_s: iteration of one prompt [s].
        most: prompts in a full batch.
    """
    free = jnp.maximum(1.0 - met_rps * added_s, 1.0 - FULLEST)
    tbt_s = step_s / free
    mean_s = jnp.maximum(tbt_s - step_s, 0.0)

    # An iteration with several prompts is a longer interruption, and less variable than one's.
    iterations = met_rps * shared.iterations * tbt_s
    each_s = added_s / shared.iterations
    one_s, one_second_s2, one_third_s3 = interruption
    unequal = jnp.clip(one_second_s2 / jnp.maximum(one_s, 1e-9) ** 2 - 1.0, 0.0, 10.0)
    each_second_s2 = each_s**2 * (1.0 + unequal * shared.iterations)
    skewed = one_third_s3 - 3.0 * one_s * one_second_s2 + 2.0 * one_s**3
    skewed = jnp.clip(skewed / jnp.maximum(one_s, 1e-9) ** 3, 0.0, 1e3) * shared.iterations**2
    each_third_s3 = each_s**3 * (1.0 + 3.0 * unequal * shared.iterations + skewed)
    # Who rides along is interrupted at most once per token.
    once = rides * jnp.minimum(iterations, 1.0)
    third_s3 = each_third_s3 - 3.0 * once * each_second_s2 * each_s + 2.0 * once**2 * each_s**3

    # Where prompts meet few of the decodes, they are on some of the machines.
    gathering = _GATHERING * (1.0 - met) / jnp.maximum(met, _LEAST_MET)

    # Who comes while a machine has prompts is served after these, in one batch if there is room,
    # and holds them up, if nobody else would have.
    waiting = jnp.maximum(queue.mean_s - queue.residual_s, 0.0) / prefill_s
    serving = shared.busy / shared.occupied / shared.iterations
    after = queue.chance * (serving + waiting / most) * (1.0 - once)
    first_s = after * jnp.maximum(added_s, 0.0) / free
    # Nobody with some chance, and otherwise as variable as an exponential time.
    first_second_s2 = 2.0 * first_s**2 / jnp.maximum(queue.chance, 1e-6)
    return Stalls(
        mean_s=mean_s,
        variance_s2=iterations * (each_second_s2 - once * each_s**2),
        third_s3=iterations * third_s3,
        lasting_s2=gathering * mean_s**2,
        first_s=first_s,
        first_variance_s2=first_second_s2 - first_s**2,
    )
