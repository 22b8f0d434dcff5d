"""Customers that come later and are served in the same batch, by the size of whom they join.

Whom all servers keep waiting joins the queue with the least work. A small customer leaves that
queue the one with the least, so that who comes next joins it, too, and finds room in the batch: the
small one is served with company, and its service takes longer for it. A large one sends the next
elsewhere, or leaves no room. With one server there is no elsewhere, and what comes is part of the
backlog.

The company of a customer of size x is taken to fall as exp(−x/(reach · mean size)) times the room
that it leaves in a batch. A companion adds its service time, but for the part that a batch
takes however small its customers are. The rest is fitted.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp

from splitmodel.queueing.power import power
from splitmodel.units import Scalar


class CompanyFit(NamedTuple):
    """Constants fitted to simulations of single prompt pools, with those of the shortest queue.

    `python -m splitmodel_calibration.queues` repeats the fit, and tells the errors on other pools.
    """

    joins: float | Scalar = 3.17
    """Customers, as many as there is room for, that join the smallest one where all always wait."""
    many: float | Scalar = 1.88
    """Exponent of 1 − 1/n."""
    often: float | Scalar = 0.307
    """Exponent of the chance that all servers are busy."""
    reach: float | Scalar = 0.599
    """Size at which company has fallen by a factor e, over the mean one."""


FITTED = CompanyFit()

_LEAST = 1e-6
"""Chance below which company is as at it; keeps derivatives finite."""


class Company(eqx.Module):
    """What decides how much company adds to the delay of each size."""

    added_s: Scalar
    """What a customer adds to a batch in which it finds room, mean over all [s]."""
    room: Scalar
    """Share of a batch that each size leaves free, [sizes]."""
    size: Scalar
    """Sizes over the mean one, [sizes]."""

    def delay_s(self, chance: Scalar, servers: Scalar, fit: CompanyFit = FITTED) -> Scalar:
        """Mean of what it adds, over those of each size that are delayed [s], [sizes].

        Args:
            chance: that all servers are busy, a scalar or [sizes].
            servers: n, a real number; below one it counts as one.
            fit: constants.
        """
        others = 1.0 - 1.0 / jnp.maximum(servers, 1.0)
        common = power(others, fit.many) * power(jnp.maximum(chance, _LEAST), fit.often)
        return fit.joins * self.added_s * common * self.room * jnp.exp(-self.size / fit.reach)


def company(
    weight: Scalar, sizes: Scalar, most: Scalar, services_s: Scalar, fixed_s: Scalar
) -> Company:
    """Company of customers of several sizes.

    Args:
        weight: share of each size in the customers, sums to one, [sizes].
        sizes: of which a batch holds so much, [sizes].
        most: size of a full batch.
        services_s: service time alone, mean over each size [s], [sizes].
        fixed_s: part of it that a batch takes however small its customers are [s].
    """
    room = jnp.clip(1.0 - sizes / most, 0.0, 1.0)
    added_s = jnp.sum(weight * room * jnp.maximum(services_s - fixed_s, 0.0))
    return Company(added_s, room, sizes / jnp.sum(weight * sizes))
