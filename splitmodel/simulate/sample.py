"""Percentiles of several runs, and how far they stay below the limits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from splitmodel.codes import Status
from splitmodel.simulate.options import Simulation
from splitmodel.simulate.run import Outcome, run_all
from splitmodel.simulate.setting import Setting
from splitmodel.simulate.summary import latencies, percentiles_of, status_of
from splitmodel.specs.slo import METRICS, SLO
from splitmodel.specs.workload import Workload

MOST_ROOM = 2.0
"""Room that is as good, or as bad, as any: a factor of e² tells nothing of how far the rate is."""


class Sample(NamedTuple):
    """Percentiles of every run."""

    percentiles: Float[ndarray, "runs metrics percentiles"]
    """In the order of `METRICS` and `PERCENTILES`; inf where requests never end."""
    stable: bool
    """Whether every run serves its load."""

    @property
    def mean(self) -> Float[ndarray, "metrics percentiles"]:
        """Mean over the runs."""
        return self.percentiles.mean(axis=0)

    def room(self, slo: SLO) -> float:
        """Least logarithm of a limit over the mean percentile; the limits hold where positive."""
        limits = np.stack([getattr(slo, name) for name in METRICS])
        limited = np.isfinite(limits)
        rooms = -np.log(self.mean[limited] / limits[limited])
        least = rooms.min(initial=MOST_ROOM) if self.stable else -MOST_ROOM
        return float(max(least, -MOST_ROOM))


def sample(setting: Setting, load: Workload, options: Simulation) -> Sample:
    """Percentiles of a configuration under a load, over the requests that count.

    Raises:
        InputError: for a request that can never fit, or options that contradict the workload.
    """

    def summarise(outcome: Outcome) -> tuple[ndarray, bool]:
        counted = outcome.trace.counted
        percentiles = [percentiles_of(values[counted]) for values in latencies(setting, outcome)]
        return np.array(percentiles), status_of(outcome) is Status.OK

    runs = run_all(setting, load, options, summarise, False)
    return Sample(
        np.array([percentiles for percentiles, _ in runs]), all(stable for _, stable in runs)
    )
