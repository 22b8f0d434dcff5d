"""Token machines that are mixed because prompts visit them: how many, and which decodes they keep.

The first prompt of a burst takes a machine out of the token pool. The next ones go there, too,
until its queue is long; new decodes go to the machines that are left. It returns when its last
decode has ended and no prompt is there, so that bursts that are short keep machines for long. Of
the others each then has more decodes, the next one that is taken needs longer to get empty, and
where all are mixed, or the others full, none does.

References:
    Patel et al., Splitwise, ISCA 2024, section IV-A (mixed pool); Kleinrock, Queueing Systems I
    (1975), section 5.2 (residual life).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from splitmodel.cluster.sizes import Sizes
from splitmodel.compilation import total
from splitmodel.queueing import latch
from splitmodel.queueing.latch import LatchFit, latched_share
from splitmodel.units import Scalar

_LEAST_LEFT = 0.02
"""Least share of the token machines that has decodes."""
_ROUNDS = 4
"""From none to the number that is mixed; as each has more, others have more decodes."""


class MixedFit(NamedTuple):
    """Constants fitted to simulations of clusters.

    `python -m splitmodel_calibration.mixed` fits them anew, and tells the errors on other clusters.
    """

    fewer: float | Scalar = 2.0
    """Decodes that the machine of a first visit has fewer than others, over their square root."""
    none: float | Scalar = 0.3
    """Machines without a decode, over those that there were if decodes were not balanced."""
    bursts: float | Scalar = 1.2
    """Visits in the time for which one keeps a machine count this much: they come in bursts."""
    most: float | Scalar = 0.95
    """Largest share of the token machines that is mixed, if not all are."""
    in_a_row: float | Scalar = 1.75
    """Visits in a row to a machine that always is mixed, seen by one decode as one."""
    empties: float | Scalar = 0.1
    """How often one of machines that are always mixed gets empty, over what chance would tell where
    decodes were not balanced."""
    even: float | Scalar = 0.73
    """Of the decodes of each, those that count for that."""


class Fits(NamedTuple):
    """Constants that are fitted together."""

    mixed: MixedFit = MixedFit()
    latch: LatchFit = latch.FITTED


FITTED = Fits()


class Visitors(NamedTuple):
    """Prompts that go to token machines."""

    rate_rps: Scalar
    busy: Scalar
    """Machines' worth of time that they take."""
    early: Scalar
    """That part of it in which decodes come that were assigned to the machine before."""


class Decoding(NamedTuple):
    """Token machines if none were mixed."""

    batch: Scalar
    """Requests that decode together on each, at most `most`."""
    step_s: Scalar
    """Decode iteration [s]."""
    servers: Scalar
    """Machines, a real number."""
    most: Scalar
    """Largest decode batch."""
    helped: Scalar
    """Chance that machines of the other pool take decodes, too."""


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


class _Visit(NamedTuple):
    """A first visit."""

    fewest: Scalar
    """Decodes that it meets."""
    kept_s: Scalar
    """Time for which it keeps the machine [s]."""
    chance: Scalar
    """Share of the visits that are the first to their machine."""


def mixed_machines(
    sizes: Sizes, visitors: Visitors, decoding: Decoding, fits: Fits = FITTED
) -> Mixed:
    """Machines that visits keep mixed.

    Args:
        sizes: of the requests.
        visitors: prompts that go to token machines.
        decoding: these machines if none were mixed.
        fits: constants.
    """
    fit, steps = fits.mixed, sizes.step_edges
    batch, step_s, servers, most, helped = decoding
    staying = jnp.log(jnp.maximum(1.0 - sizes.residual_chance, 1e-9))
    rest_s = jnp.maximum(sizes.residual_steps * step_s, 1e-9)
    stay_s = jnp.maximum(sizes.mean_steps * step_s, 1e-9)
    visits_rps, several = jnp.maximum(visitors.rate_rps, 1e-12), jnp.maximum(servers, 1.0)
    visit_s = jnp.maximum(visitors.busy / visits_rps, 1e-6)
    ahead = visitors.early / (visits_rps * stay_s)
    wanting = batch * servers

    def each_of(mixed: Scalar, like_others: Scalar) -> Scalar:
        """Decodes on each of the others, where so many mixed machines have as many as these."""
        others = jnp.maximum(servers - mixed + like_others, _LEAST_LEFT * servers)
        return jnp.minimum(wanting / others, most)

    def first(each: Scalar) -> _Visit:
        fewest = each / (1.0 + fit.fewer / jnp.sqrt(each + 1e-6))
        # The largest rest of those who decode there.
        some = 1.0 - jnp.exp(fewest * staying)
        longest = steps[0] * some[0] + total(0.5 * (some[1:] + some[:-1]) * jnp.diff(steps))
        kept_s = longest * step_s + visit_s
        # Alone in that time, or of many that need as many machines as visit at once at most.
        others = fit.bursts * visits_rps * kept_s + 1e-4
        together = jnp.sqrt(visit_s / kept_s)
        return _Visit(fewest, kept_s, together - (1.0 - together) * jnp.expm1(-others) / others)

    each = batch
    visit = first(each)
    mixed = like_others = jnp.zeros_like(batch)
    for _ in range(_ROUNDS):
        wanted = visits_rps * visit.chance * visit.kept_s
        fill = wanted / (fit.most * servers)
        mixed = wanted / jnp.sqrt(jnp.sqrt(1.0 + fill**4))
        # Those that were there, and those that were assigned to it before.
        had = visits_rps * visit.chance * (visit.fewest + ahead * each) * rest_s
        like_others = jnp.minimum(had / jnp.maximum(each, 1e-6), mixed)
        each = each_of(mixed, like_others)
        visit = first(each)
    # Not more machines begin to be mixed than cease to.
    wanted = visits_rps * visit.chance * visit.kept_s
    begins = visit.chance * jnp.minimum(mixed / jnp.maximum(wanted, 1e-20), 1.0)
    # Who comes while the token pool is full goes to mixed machines, too.
    had = jnp.minimum(like_others * each, wanting)
    decodes = jnp.maximum(had, wanting - (servers - mixed) * most)
    decodes = jnp.minimum(decodes, wanting * mixed / servers)
    # Of many machines with few decodes, some has none, and the visit goes there.
    finds = begins * visit.fewest * jnp.exp(-fit.none * servers * jnp.exp(-each))
    per_mixed = (1.0 - begins) / jnp.maximum(mixed, 1e-9)
    left = (servers - mixed) / (1.0 - decodes / jnp.maximum(wanting, 1e-9))
    met = finds + per_mixed * decodes
    begun = finds + per_mixed * jnp.maximum(decodes - had, 0.0) / fit.in_a_row
    # A decode meets no more visits than come while the machine is mixed.
    begun = jnp.maximum(begun, begins * met)

    # Without any other machine, or with those full that are left, decodes go to mixed machines and
    # keep them so; but to the other pool if that helps.
    full = jnp.maximum((1.0 - helped) * wanting / most, 1.0) - 1.0
    top = jnp.maximum(servers - 1.0 - full, 0.0)
    halfway = 0.5 * (mixed + jnp.maximum(top, mixed))
    visit = first(each_of(halfway, like_others))
    latched = latched_share(
        visits_rps * begins,
        visits_rps * visit.chance * visit.kept_s,
        top,
        fit.empties * servers * batch * jnp.exp(-fit.even * batch) / rest_s,
        fits.latch,
    )
    # There is no other machine than the only one.
    latched = 1.0 - (1.0 - latched) * (1.0 - several**-4)
    # More are mixed by and by: half of those that are full.
    apart = 0.5 * full * most
    crowd = jnp.maximum(wanting - apart, 0.0) / jnp.maximum(servers - 0.5 * full, 1e-6)
    in_full = apart / jnp.maximum(wanting, 1e-9)
    together = in_full * most + (1.0 - in_full) * crowd
    # All of them, where hardly anybody decodes.
    all_left = (wanting + 1e-9) / (together + 1e-9 / servers)
    # Where there is a choice, decodes avoid machines with a prompt once they can know of it.
    coming = (begins + latched * (1.0 - begins)) * visitors.early
    coming = coming + latched * (visitors.busy - visitors.early) / several
    return Mixed(
        left=left + latched * (all_left - left),
        met=met + latched * (crowd - met),
        begun=begun + latched * (crowd / fit.in_a_row - begun),
        coming=jnp.minimum(coming / several, 1.0),
    )
