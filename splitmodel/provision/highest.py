"""The highest rates of many clusters, from nothing but their metrics.

The same crossing as `cluster.highest_rate`, which is differentiable; here the search stands outside
of what is compiled, so that a search over counts, rates and both needs one compilation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from splitmodel.cluster.highest_rate import SCANNED
from splitmodel.provision.asked import Asked

_BETWEEN = np.arange(1, 15) / 15.0
PRECISE = (SCANNED, *[_BETWEEN] * 3)
"""Shares tried: of the saturation rate, then of what is left; 1e-5 of the saturation rate."""
COARSE = (np.array([0.5]),) * 6
"""Bisection to 1.6% of the saturation rate, enough for a map; it sees one crossing of several."""
_LEAST_RPS = 1e-9
"""Tried in place of 0 where a model does not fit."""


def highest_rates(
    asked: Asked,
    first: np.ndarray,
    second: np.ndarray,
    rounds: Sequence[np.ndarray] = PRECISE,
    *,
    only_best: bool = False,
) -> np.ndarray:
    """Highest rate that meets all limits [requests/s]: the first crossing from below.

    Args:
        asked: the design, and what is asked of it.
        first: its counts, shape [rows].
        second: likewise.
        rounds: shares of the bracket tried in each round, ascending in (0, 1).
        only_best: leave rates rough, too low, as soon as they are known not to be the highest.

    Returns:
        Shape [rows]; the limits are met at it, or it is 0.
    """
    low_rps = np.zeros(len(first))
    high_rps = asked(first, second, np.ones(len(first))).saturation_rps.astype(float)
    for shares in rounds:
        rows = np.flatnonzero(high_rps >= low_rps.max() * only_best)
        low, high = low_rps[rows], high_rps[rows]
        tried = low + shares[:, None] * (high - low)
        met = asked(first[rows], second[rows], np.maximum(tried, _LEAST_RPS)).slo_met > 0.0
        # One past the end where none fails.
        failed = np.argmin(np.append(met, np.zeros((1, len(rows)), bool), axis=0), axis=0)
        edges = np.vstack([low, tried, high])
        columns = np.arange(len(rows))
        low_rps[rows], high_rps[rows] = edges[failed, columns], edges[failed + 1, columns]
    return low_rps
