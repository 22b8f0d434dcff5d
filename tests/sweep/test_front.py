"""Fronts against the definition."""

import numpy as np
import pytest

from splitmodel.sweep import front
from splitmodel.sweep.front import non_dominated


def by_definition(costs: np.ndarray) -> np.ndarray:
    """Rows that no other one equals or beats everywhere and beats somewhere."""
    at_most = (costs[:, None] <= costs).all(axis=-1)
    less = (costs[:, None] < costs).any(axis=-1)
    return np.flatnonzero(~(at_most & less).any(axis=0))


@pytest.mark.parametrize("few", [3, 4096])
@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("values", [4, 1000])
def test_fronts_are_those_of_the_definition(monkeypatch, few, objectives, values):
    monkeypatch.setattr(front, "_FEW", few)
    for seed in range(20):
        costs = np.random.default_rng(seed).integers(0, values, (60, objectives)).astype(float)
        np.testing.assert_array_equal(non_dominated(costs), by_definition(costs))
