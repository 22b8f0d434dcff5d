"""Time until the first of those who decode on a machine ends.

Decodes there are Poisson. The time that each has left is that of a renewal process met at a random
moment, whose tail is heavy where outputs differ much; percentiles see its bulk, the second moment
its tail. Mean and mean square root tell of both.

References:
    Kleinrock, Queueing Systems I (1975), section 5.2 (residual life).
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from splitmodel.cluster.sizes import Sizes
from splitmodel.compilation import total
from splitmodel.units import Scalar

_ROOT = 0.5 * np.sqrt(np.pi)
"""Mean square root of an exponential variable of mean one."""


def first_end(sizes: Sizes, decodes: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """Chance that anybody decodes on a machine, and steps until one of them ends.

    Of the latter the mean, zero where nobody decodes, and the second moment of what is zero with
    some chance and exponential otherwise, with this mean and the same mean square root.

    Args:
        sizes: of the requests.
        decodes: mean number of requests that decode there.
    """
    residual, steps = sizes.residual_chance, sizes.step_edges
    residual = jnp.concatenate([jnp.ones_like(residual[:1]), residual])
    steps = jnp.concatenate([0.0 * steps[:1], steps])
    roots = jnp.sqrt(jnp.maximum(steps, 1e-6))
    # Simpson's rule over roots, between which the chance falls evenly in steps.
    low, high = roots[:-1], roots[1:]
    share = (0.25 * low + 0.75 * high) / (low + high)
    middle = share * residual[:-1] + (1.0 - share) * residual[1:]
    nobody = jnp.exp(-decodes)
    later, halfway = (jnp.exp(-decodes * (1.0 - each)) - nobody for each in (residual, middle))
    sixth, between = (high - low) / 6.0, 2.0 * (low + high)
    root = total(sixth * (later[1:] + later[:-1] + 4.0 * halfway))
    mean = 2.0 * total(sixth * (high * later[1:] + low * later[:-1] + between * halfway))
    scale = (_ROOT * mean / jnp.maximum(root, 1e-6)) ** 2
    return -jnp.expm1(-decodes), mean, 2.0 * mean * scale
