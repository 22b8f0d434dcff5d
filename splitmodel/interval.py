"""Intervals of every metric, from the uncertainty of the parameters of its iteration times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import equinox as eqx
import jax
import numpy as np

from splitmodel.cluster.metrics import Metrics
from splitmodel.compilation import quick_jit
from splitmodel.parameters.calibration import Calibration
from splitmodel.programs.kept_trace import kept
from splitmodel.specs.calibrated import DRAWS, Factors, drawn_factors, off_by
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.hardware import Machine
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.workload import Workload

Metered = Callable[[Cluster, Workload, Machine], Metrics]
"""Metrics of a cluster and a load, with the machine of the slowdowns' denominator; a pytree."""


def machines_of(cluster: Cluster) -> list[Machine]:
    """Machines of all pools, used or not."""
    return [pool.machine for pool in cluster.pools]


def with_machines(cluster: Cluster, machines: Sequence[Machine]) -> Cluster:
    """The cluster with other machines in its pools, in their order."""
    pools = [
        replace(pool, machine=machine)
        for pool, machine in zip(cluster.pools, machines, strict=True)
    ]
    return eqx.tree_at(lambda tree: list(tree.pools), cluster, pools)


def metrics_interval(
    function: Metered,
    cluster: Cluster,
    load: Workload,
    reference: Machine,
    calibration: Calibration,
    interval: float,
) -> tuple[Metrics, Metrics]:
    """Lower and upper end of an interval of every metric.

    Args:
        function: computes the metrics.
        cluster: machines, roles and policies.
        load: request sizes and arrival rate.
        reference: machine of the slowdowns' denominator.
        calibration: of whose uncertainty parameters are drawn.
        interval: probability of the interval.

    Raises:
        InputError: if the calibration says nothing of its uncertainty.
    """
    factors = drawn_factors([*machines_of(cluster), reference], calibration)
    drawn = _drawn(*as_arrays((function, cluster, load, reference, factors)))
    # Drawn values, not between them: infinity less infinity is no number.
    beyond = int(0.5 * (1.0 - interval) * DRAWS)
    ascending = jax.tree.map(lambda leaf: np.sort(np.asarray(leaf), axis=0), drawn)
    return tuple(
        jax.tree.map(lambda leaf, place=place: leaf[place], ascending)
        for place in (beyond, DRAWS - 1 - beyond)
    )


@quick_jit
@partial(kept, returns=Metrics)
def _drawn(
    function: Metered, cluster: Cluster, load: Workload, reference: Machine, factors: Factors
) -> Metrics:
    """Metrics of every draw, leaves of shape [draws, …]."""

    def one(factors: Factors) -> Metrics:
        *machines, denominator = (
            off_by(machine, {name: factor[place] for name, factor in factors.items()})
            for place, machine in enumerate([*machines_of(cluster), reference])
        )
        return function(with_machines(cluster, machines), load, denominator)

    return jax.vmap(one)(factors)
