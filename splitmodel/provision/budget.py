"""Budgets, and the largest clusters within them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from splitmodel.provision.candidate import Candidate
from splitmodel.sweep.generate import SLACK


class Budget(NamedTuple):
    """Limits on properties of `Cluster` that are linear in its counts."""

    limits: Mapping[str, float]
    """At least one, by the property's name."""

    def most_second(self, candidate: Candidate, first: np.ndarray) -> np.ndarray:
        """Largest second count beside each first one, shape [rows]; below 1 where no room is."""
        most = np.full(np.shape(first), np.inf)
        for quantity, limit in self.limits.items():
            of_first, of_second = candidate.per_machine(quantity)
            left = limit * (1.0 + SLACK) - of_first * first
            most = np.minimum(most, np.floor(left / of_second))
        return most

    def most_first(self, candidate: Candidate) -> float:
        """Largest first count beside one second machine; 0 for a baseline."""
        most = np.inf if candidate.splits else 0.0
        for quantity, limit in self.limits.items():
            of_first, of_second = candidate.per_machine(quantity)
            if candidate.splits:
                left = limit * (1.0 + SLACK) - of_second
                most = min(most, np.floor(left / of_first))
        return most
