"""Token machines that are mixed because prompts visit them: how many, and which decodes they keep.

The first prompt of a burst takes a machine out of the token pool. The next ones go there, too,
until its queue is long; new decodes go to the machines that are left. It returns when its last
decode has ended and no prompt is there, so that bursts that are short keep machines for long.

References:
    Patel et al., Splitwise, ISCA 2024, section IV-A (mixed pool); Kleinrock, Queueing Systems I
    (1975), section 5.2 (residual life).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import gammaln

from splitmodel.cluster.case import Case
from splitmodel.units import Scalar

_JOINED = 0.5
"""Visits that take another machine out of the pool, as a share, where many are mixed."""
_FEWEST = 0.6
"""Decodes on the machine to which the first visit goes, over the mean."""
_MOST = 0.9
"""Largest share of the token machines that is mixed."""
_FEW, _STEADY = 4.0, 2.0
"""With more machines, the number that is mixed varies less than that of independent ones: of the
chance of a large number, the power is larger by so much where they are many."""
_LATCHED_S = 500.0
"""Time for which a cluster is looked at that can no longer get out of the mixed pool."""


class Mixed(NamedTuple):
    """Token machines in the mixed pool, means over time."""

    left: Scalar
    """Machines of a token pool in which as many decode together as there do."""
    met: Scalar
    """Decodes that a visiting prompt meets."""
    begun: Scalar
    """Decodes that meet a visiting prompt for the first time, per visit."""
    coming: Scalar
    """Share of all decodes that come while a prompt is there."""


def mixed_machines(
    case: Case,
    visits_rps: Scalar,
    busy: Scalar,
    early: Scalar,
    batch: Scalar,
    step_s: Scalar,
    servers: Scalar,
    most: Scalar,
) -> Mixed:
    """Machines that visits keep mixed.

    Args:
        case: the question.
        visits_rps: prompts that go to token machines [1/s].
        busy: machines' worth of time that these take.
        early: that part of it in which decodes come that were assigned to them before.
        batch: requests that decode together on a token machine, if none are mixed.
        step_s: decode iteration [s].
        servers: token machines, a real number.
        most: largest decode batch.
    """
    # The largest rest of those who decode there.
    steps, residual = case.load.output_edges_tokens - 1.0, case.sizes.residual_chance
    some = 1.0 - jnp.exp(batch * jnp.log(jnp.maximum(1.0 - residual, 1e-9)))
    longest = steps[0] * some[0] + jnp.sum(0.5 * (some[1:] + some[:-1]) * jnp.diff(steps))
    drain_s = longest * step_s
    rest_s = jnp.maximum(case.sizes.residual_steps * step_s, 1e-9)
    wanting = batch * servers

    # The only visit of a burst takes a machine, of many some do; no more than decodes can spare.
    alone = visits_rps * drain_s
    draining = _JOINED * alone - (1.0 - _JOINED) * jnp.expm1(-alone)
    limit = jnp.maximum(jnp.minimum(_MOST * servers, servers - wanting / most), 0.02 * servers)
    fill = jnp.minimum((busy + draining) / limit, 1e6)
    mixed = limit * fill / (1.0 + fill**3) ** (1.0 / 3.0)
    # Not more machines begin to be mixed than cease to.
    begins = jnp.where(alone > 1e-4, jnp.minimum(draining, mixed) / jnp.maximum(alone, 1e-4), 1.0)
    prefilling = jnp.minimum(busy / jnp.maximum(mixed, 1e-9), 0.6)
    kept = visits_rps * begins * batch * rest_s / (1.0 - prefilling)
    decodes = jnp.maximum(kept, wanting - (servers - mixed) * most)
    decodes = jnp.minimum(decodes, wanting * mixed / servers)
    left = (servers - mixed) / (1.0 - decodes / jnp.maximum(wanting, 1e-9))
    begun = _FEWEST * begins * batch
    met = begun + (1.0 - begins) * decodes / jnp.maximum(mixed, 1e-9)

    # All of few machines may be mixed. Decodes then go to them, and keep them so.
    others = jnp.maximum(servers, 1.0) - 1.0
    several = others * jnp.log(jnp.maximum(mixed, 1e-9)) - mixed - gammaln(others + 1.0)
    steady = 1.0 + _STEADY * (1.0 - _FEW / jnp.maximum(servers, _FEW))
    enters_ps = visits_rps * begins * jnp.exp(steady * several)
    leaves_ps = 1.0 / _LATCHED_S + servers * batch * jnp.exp(-batch) / rest_s
    latched = enters_ps / (enters_ps + leaves_ps)
    # There is no other machine than the only one.
    latched = 1.0 - (1.0 - latched) * (1.0 - jnp.maximum(servers, 1.0) ** -4)
    # Where there is a choice, decodes avoid machines with a prompt once they can know of it.
    coming = (begins + latched * (1.0 - begins)) * early + latched * (busy - early) / (others + 1.0)
    # Who has decoded for longer has more often met a prompt before.
    anew = 1.0 / (1.0 + visits_rps / (others + 1.0) * rest_s)
    return Mixed(
        left=left + latched * (servers - left),
        met=met + latched * (batch - met),
        begun=begun + latched * (anew * batch - begun),
        coming=jnp.minimum(coming / (others + 1.0), 1.0),
    )
