"""Why a design does not do, in words."""

from __future__ import annotations

import numpy as np

from splitmodel.errors import InputError
from splitmodel.provision.asked import Asked
from splitmodel.specs.slo import METRICS
from splitmodel.variables import PERCENTILES

MANY = 2.0**16
"""Machines per pool beyond which nobody looks."""
_LOW = 0.01
"""Share of the saturation rate at which hardly any request waits."""


class InfeasibleError(InputError):
    """No cluster of a design meets the limits."""


def missed_limit(asked: Asked, otherwise: str) -> InfeasibleError:
    """Names the limit that even many machines under hardly any load miss by most.

    Args:
        asked: the design, and what is asked of it.
        otherwise: what to say where they miss none.
    """
    second = np.array([MANY])
    first = second * asked.candidate.splits
    saturation_rps = asked(first, second, np.ones(1)).saturation_rps.astype(float)
    metrics = asked(first, second, _LOW * saturation_rps, percentiles=True)
    values = np.stack([getattr(metrics, name)[0] for name in METRICS])
    limits = np.stack([getattr(asked.question.slo, name) for name in METRICS])
    metric, place = np.unravel_index(np.argmax(values / limits), limits.shape)
    value, limit = values[metric, place], limits[metric, place]
    if value < limit:
        return InfeasibleError(otherwise)
    return InfeasibleError(
        f"{METRICS[metric]} P{PERCENTILES[place]} is {value:.3g} with hardly any load, "
        f"but its limit is {limit:g}"
    )
