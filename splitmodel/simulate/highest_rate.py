"""The highest arrival rate at which a cluster meets its limits, as simulation finds it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from splitmodel.simulate.options import Simulation
from splitmodel.simulate.sample import sample
from splitmodel.simulate.setting import Setting
from splitmodel.specs.workload import Workload

FIRST, LEAST, MOST = 0.87, 0.02, 40.0
"""Share of the guess that is tried first, and those beyond which nobody looks."""
_DOWN, _LEAST_DOWN, _UP = 0.9, 0.7, 1.1
"""Steps until the limits hold, each the square of the one before down to the second number; then
until they fail."""
_PRECISION = 0.003
"""Of the rate: where the crossing moves by less from one round to the next, it is found."""
_ROUNDS = 5
_MIDDLE = (0.15, 0.85)
"""Part of the bracket in which the next rate lies, so that both ends move."""


class _Point(NamedTuple):
    rate_rps: float
    room: float
    """The limits hold where it is positive."""


def highest_rate(setting: Setting, load: Workload, options: Simulation, guess_rps: float) -> float:
    """Highest rate that meets all limits [requests/s]: the first crossing from below.

    The limits hold where the means of the percentiles over the runs are below them. Every rate has
    the same requests in the same order, which makes these means nearly smooth in the rate.

    Args:
        setting: the configuration.
        load: its requests; their rate plays no role.
        options: how they arrive, and how many runs there are.
        guess_rps: about the rate that is sought [requests/s].

    Returns:
        0 where the limits fail down to a fiftieth of the guess.

    Raises:
        InputError: for a request that can never fit, or options that contradict the workload.
    """

    def at(rate_rps: float) -> _Point:
        found = sample(setting, load.with_rate(rate_rps), options)
        return _Point(rate_rps, found.room(setting.slo))

    low = high = at(FIRST * guess_rps)
    down = _DOWN
    while low.room <= 0.0:
        if low.rate_rps < LEAST * guess_rps:
            return 0.0
        low, high = at(down * low.rate_rps), low
        down = max(down**2, _LEAST_DOWN)
    while high.room > 0.0:
        if high.rate_rps > MOST * guess_rps:
            return high.rate_rps
        low, high = high, at(_UP * high.rate_rps)
    for _ in range(_ROUNDS):
        middle = at(_between(low, high, *_MIDDLE))
        low, high = (middle, high) if middle.room > 0.0 else (low, middle)
        if abs(_between(low, high) - middle.rate_rps) < _PRECISION * middle.rate_rps:
            break
    return _between(low, high)


def _between(low: _Point, high: _Point, least: float = 0.0, most: float = 1.0) -> float:
    """Rate at which the room is used up if it is linear, at shares of the bracket."""
    share = np.clip(low.room / (low.room - high.room), least, most)
    return float(low.rate_rps + share * (high.rate_rps - low.rate_rps))
