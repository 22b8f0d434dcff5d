"""The outputs of a sweep, as a function of cluster and load."""

from __future__ import annotations

import equinox as eqx

from splitmodel.evaluate import Question
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar


class Chosen(eqx.Module):
    """The variables that are asked for; the compiler leaves out what only others need."""

    question: Question
    names: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, cluster: Cluster, load: Workload) -> dict[str, Scalar]:
        """Those of one configuration."""
        values = self.question(cluster, load)
        return {name: getattr(values, name) for name in self.names}
