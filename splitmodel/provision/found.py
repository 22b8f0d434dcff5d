"""A cluster that a search has found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splitmodel.provision.candidate import Candidate
from splitmodel.provision.search import Split
from splitmodel.specs.cluster import Cluster
from splitmodel.sweep.rows import Rows


class Found(NamedTuple):
    """A split of a candidate, and the rate at which its metrics are wanted."""

    candidate: Candidate
    split: Split
    rate_rps: float

    @property
    def row(self) -> Rows:
        """The one configuration, of arrays of shape []."""
        split = self.split
        return self.candidate.rows(
            *(np.array(each) for each in (split.first, split.second, self.rate_rps))
        )

    @property
    def cluster(self) -> Cluster:
        """The cluster with its counts."""
        return self.candidate.rows(self.split.first, self.split.second, None).of(
            self.candidate.cluster
        )

    @property
    def counts(self) -> tuple[str, float, float]:
        """What tells it from other clusters."""
        return self.candidate.name, self.split.first, self.split.second

    def of(self, quantity: str) -> float:
        """A property of the cluster that is linear in its counts."""
        return float(np.dot(self.candidate.per_machine(quantity), self.split[:2]))

    def within(self, other: Found) -> bool:
        """Whether another cluster of the same kind has all its machines."""
        same = self.candidate.name == other.candidate.name
        return same and bool(np.all(np.array(self.split[:2]) <= other.split[:2]))

    def larger(self, machines: float) -> list[Found]:
        """The same with more machines in either pool; the highest rate of these is not known."""
        first, second = self.split.first, self.split.second
        more = [(first, second + machines)]
        if self.candidate.splits:
            more.append((first + machines, second))
        return [self._replace(split=Split(*counts, highest_rate_rps=np.nan)) for counts in more]
