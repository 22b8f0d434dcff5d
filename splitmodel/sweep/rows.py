"""Counts and rates of configurations of one kind of hardware."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx

from splitmodel.specs.cluster import Cluster
from splitmodel.units import Scalar


class Rows(NamedTuple):
    """Configurations of one kind of hardware; every array has shape [rows]."""

    prompt: Scalar
    """Machines in the prompt pool; zero for a baseline."""
    token: Scalar
    """Machines in the token pool; zero for a baseline."""
    mixed: Scalar
    """Machines in the mixed pool; zero for a Splitwise design."""
    rate_rps: Scalar
    """Arrival rate [requests/s]."""

    @property
    def machines(self) -> Scalar:
        """Machines in all pools."""
        return self.prompt + self.token + self.mixed

    def of(self, cluster: Cluster) -> Cluster:
        """The cluster with these counts."""
        counts = (self.prompt, self.token, self.mixed)
        return eqx.tree_at(lambda tree: [pool.machines for pool in tree.pools], cluster, counts)
