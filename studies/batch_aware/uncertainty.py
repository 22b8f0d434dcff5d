"""How sure the multiples are: the calibration's parameters drawn from their covariance.

Both machines, and the slowdowns' reference, take their parameters from the same draw, so that what
one fit says wrongly of a machine is the same on both sides of a ratio. The split is chosen anew for
every draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

import splitmodel as sm
from splitmodel.compilation import quick_jit
from splitmodel.interval import with_machines
from splitmodel.parameters.calibration import shipped
from splitmodel.specs.calibrated import Factors, drawn_factors, off_by
from splitmodel.specs.hardware import Machine
from splitmodel.specs.leaves import as_arrays
from splitmodel.units import Scalar
from splitmodel_studies.routes import PHYSICAL

_OLD, _NEW = "DGX-A100", "DGX-H100"


def drawn_rates_rps(clusters: Sequence[sm.Cluster], slo: sm.SLO) -> np.ndarray:
    """Highest rates of clusters of DGX-A100 and DGX-H100 by draw, [clusters, draws].

    Args:
        clusters: of these two machines.
        slo: limits.
    """
    machines = [sm.machine(_OLD), sm.machine(_NEW)]
    # Leaves of all clusters side by side; which machine a pool has is told by `new`.
    new = np.array([[pool.machine.label.value == _NEW for pool in each.pools] for each in clusters])
    same = [with_machines(each, [machines[0]] * len(each.pools)) for each in clusters]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *same)
    factors = drawn_factors(machines, shipped())
    load, model = PHYSICAL.load("conv"), sm.transformer("bloom-176b")
    return np.asarray(
        _rates_rps(*as_arrays((stacked, new, tuple(machines), factors, load, model, slo)))
    )


@quick_jit
def _rates_rps(
    clusters: sm.Cluster,
    new: Scalar,
    machines: tuple[Machine, Machine],
    factors: Factors,
    load: sm.Workload,
    model: sm.Transformer,
    slo: sm.SLO,
) -> Scalar:
    """Highest rates [requests/s], one cluster after the other, all of its draws at once."""

    def of_draw(cluster: sm.Cluster, new: Scalar, factors: Factors) -> Scalar:
        old, newer = (
            off_by(machine, {name: factor[place] for name, factor in factors.items()})
            for place, machine in enumerate(machines)
        )
        pools = [
            jax.tree.map(lambda a, b, flag=new[place]: jnp.where(flag > 0.0, b, a), old, newer)
            for place in range(len(cluster.pools))
        ]
        return sm.highest_rate(
            with_machines(cluster, pools),
            load,
            model,
            slo=slo,
            semantics=PHYSICAL.semantics,
            reference=old,
        )

    over_draws = jax.vmap(of_draw, in_axes=(None, None, 0))
    return jax.lax.map(lambda row: over_draws(row[0], row[1], factors), (clusters, new))
