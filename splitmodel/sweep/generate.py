"""The configurations of a block, made on the device that evaluates them."""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.specs.cluster import Cluster
from splitmodel.sweep.expression import Expression
from splitmodel.sweep.lattice import COLUMNS, DIALS
from splitmodel.sweep.rows import Rows
from splitmodel.units import Flag, Number, Scalar

LIMITS = {
    "max_power_w": "power_provisioned_w",
    "max_usd_per_hour": "usd_per_hour",
    "max_machines": "machines",
}
"""Limits of a space, with the property of `Cluster` that each one bounds."""
AXES_OF_ROWS = ("prompt", "token", "machines", "rate_rps")
"""What conditions of reductions can be about beside outputs."""
CONSTRAINED = (*AXES_OF_ROWS, "cost_usd_per_hour", "power_provisioned_w")
"""What constraints of a space can be about."""
SLACK = 1e-6
"""Relative, in limits; so that 70 DGX-A100 fit the power of 40 DGX-H100 in spite of rounding."""


def rows_of(place: Number, values: Scalar, block_rows: int) -> tuple[Rows, Flag]:
    """Counts and rates of a block, and which of its lanes are in use.

    No number of a configuration occurs, only positions, so that 32 bits are enough.

    Args:
        place: as in `Blocks`, shape [17].
        values: of all columns, shape [values].
        block_rows: lanes.
    """
    lane = carry = jnp.arange(block_rows, dtype=jnp.int32)
    positions = []
    for dial in reversed(range(DIALS)):
        turned, length = place[dial] + carry, place[DIALS + dial]
        positions.insert(0, turned % length)
        carry = turned // length
    position = jnp.stack(positions)
    columns = (
        values[place[3 * DIALS + column] + position[place[2 * DIALS + column]]]
        for column in range(len(COLUMNS))
    )
    return Rows(*columns), lane < place[-1]


def axes_of(rows: Rows) -> dict[str, Scalar]:
    """Counts and rate by the names that expressions use."""
    return {name: getattr(rows, name) for name in AXES_OF_ROWS}


def allowed(
    cluster: Cluster, rows: Rows, limits: Scalar, constraints: tuple[Expression, ...]
) -> Flag:
    """Which configurations a space does not leave out.

    Args:
        cluster: hardware.
        rows: counts and rates, of shape [rows].
        limits: in the order of LIMITS, infinite for none.
        constraints: of the space.
    """
    counted = rows.of(cluster)
    spent = [getattr(counted, name) for name in LIMITS.values()]
    kept = jnp.ones_like(rows.rate_rps, bool)
    for amount, limit in zip(spent, limits, strict=True):
        kept &= amount <= limit * (1.0 + SLACK)
    columns = axes_of(rows) | {
        "cost_usd_per_hour": counted.usd_per_hour,
        "power_provisioned_w": counted.power_provisioned_w,
    }
    for constraint in constraints:
        kept &= constraint.holds(columns)
    return kept
