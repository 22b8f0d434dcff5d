"""Share of time for which all of many things are in a state that only one at a time can leave.

How many there are varies around a mean, until there is no other left; what brings things to the
state then goes to them, too, and none can leave it but by chance. The number comes as far as that
at the rate of a large deviation of a Poisson variable, steeper by a constant, and a mean beyond it
is there at once.

References:
    Dembo and Zeitouni, Large Deviations Techniques and Applications (1998), section 2.2 (the rate
    function of a Poisson variable); Kramers, Physica 7, 284–304 (1940), for leaving a well.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from splitmodel.units import Scalar


class LatchFit(NamedTuple):
    """Constants fitted to simulations of clusters.

    `python -m splitmodel_calibration.mixed` fits them anew, and tells the errors on other clusters.
    """

    enters: float | Scalar = 0.16
    """Of what might bring the number to its top, what does if that is the mean."""
    steady: float | Scalar = 1.5
    """The rate function, over that of a Poisson variable: with more of them, each stays for longer,
    which limits them."""


FITTED = LatchFit()

_SUREST = 4.0
"""Rate functions of means beyond the top count up to this."""
_SEEN_S = 500.0
"""Time for which a cluster is looked at that cannot get out by itself."""


def latched_share(
    tries_rps: Scalar, mean: Scalar, top: Scalar, leaves_rps: Scalar, fit: LatchFit = FITTED
) -> Scalar:
    """Share of time in which the number is latched at its top; shapes broadcast.

    Args:
        tries_rps: how often the number grows [1/s].
        mean: the number, if there was no end of it.
        top: where it latches.
        leaves_rps: how often it gets free by chance [1/s].
        fit: its constants.
    """
    mean, top = jnp.maximum(mean, 1e-12), jnp.maximum(top, 0.0)
    apart = poisson_rate(mean, top)
    apart = jnp.maximum(jnp.where(top > mean, apart, -apart), -_SUREST)
    enters_rps = fit.enters * tries_rps * jnp.exp(-fit.steady * apart)
    return enters_rps / (enters_rps + leaves_rps + 1.0 / _SEEN_S)


def poisson_rate(mean: Scalar, number: Scalar) -> Scalar:
    """Rate function of a Poisson variable: −log P(X ≥ number) is at least this beyond the mean."""
    return number * jnp.log(jnp.maximum(number, 1e-6) / mean) - number + mean
