"""The rows that no other one beats in everything, on the host."""

from __future__ import annotations

import numpy as np

_FEW = 4096
"""Rows of which the front is found without dividing them."""


def non_dominated(costs: np.ndarray) -> np.ndarray:
    """Rows that no other one dominates: at most as large everywhere, and smaller somewhere.

    Args:
        costs: shape [rows, objectives].

    Returns:
        Indices, ascending.
    """
    points, group = np.unique(costs, axis=0, return_inverse=True)
    kept = _front_of_two(points) if points.shape[1] == 2 else _front(points)
    return np.flatnonzero(np.isin(group.ravel(), kept))


def _front_of_two(points: np.ndarray) -> np.ndarray:
    """Indices of the front of distinct rows in lexicographic order."""
    best_before = np.minimum.accumulate(np.append(np.inf, points[:-1, 1]))
    return np.flatnonzero(points[:, 1] < best_before)


def _front(points: np.ndarray) -> np.ndarray:
    """Indices of the front of distinct rows: that of the fronts of two halves.

    Of a few rows, each member in turn strikes out what it dominates.
    """
    rows = np.arange(len(points))
    if len(rows) > _FEW:
        halves = rows[::2], rows[1::2]
        rows = np.concatenate([half[_front(points[half])] for half in halves])
    left, member = points[rows], 0
    while member < len(left):
        stays = (left < left[member]).any(axis=1)
        stays[member] = True
        rows, left = rows[stays], left[stays]
        member = np.count_nonzero(stays[:member]) + 1
    return rows
