"""A design whose counts are sought: everything about a cluster but how many machines it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from splitmodel.errors import InputError
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.design import DESIGN_NAMES, cluster_of
from splitmodel.sweep.rows import Rows


class Candidate(NamedTuple):
    """Hardware and policies.

    Counts come in pairs, `first` and `second`: prompt and token machines of a Splitwise design;
    of a baseline 0 and its machines.
    """

    name: str
    cluster: Cluster
    """Its own counts play no role."""

    @property
    def splits(self) -> bool:
        """Whether it has a prompt and a token pool; else it is a baseline."""
        return bool(self.cluster.splits_phases > 0.0)

    def rows(self, first: Any, second: Any, rate_rps: Any) -> Rows:
        """Configurations of these counts and rates, arrays of one shape."""
        none = np.zeros_like(second)
        if self.splits:
            return Rows(first, second, none, rate_rps)
        return Rows(none, none, second, rate_rps)

    def per_machine(self, quantity: str) -> tuple[float, float]:
        """What one first and one second machine add to a property of the cluster."""
        rows = self.rows(np.array([1.0, 0.0]), np.array([0.0, 1.0]), None)
        first, second = np.asarray(getattr(rows.of(self.cluster), quantity))
        return float(first), float(second)


def candidates_of(designs: Sequence[str | Cluster] | str | Cluster) -> list[Candidate]:
    """Candidates by the name of a design, or like given clusters.

    Args:
        designs: names as `splitmodel.specs.design.cluster_of` takes them; or clusters, of which
            the counts play no role, for policies other than the default.

    Raises:
        InputError: for an unknown name, no design, or one twice.
    """
    if isinstance(designs, str | Cluster):
        designs = [designs]
    if not designs:
        raise InputError(f"designs: empty; give some of {', '.join(DESIGN_NAMES)}")
    candidates = [
        Candidate(str(design.label.value), design)
        if isinstance(design, Cluster)
        else Candidate(design, cluster_of(design))
        for design in designs
    ]
    names = [each.name for each in candidates]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"designs: {name!r} is given more than once")
    return candidates
