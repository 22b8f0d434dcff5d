"""Slowdown over the arrival rate, as Figure 16 shows it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from splitmodel.evaluate import prepare
from splitmodel.provision.asked import Asked
from splitmodel.provision.candidate import Candidate
from splitmodel.variables import PERCENTILES
from splitmodel_studies.published import EQUAL_POWER
from splitmodel_studies.routes import AUTHORS

PERCENTILE = 90
LIMIT = 1.5
"""Of the paper on this percentile of the E2E slowdown, Table VI."""
_RATES_RPS = np.arange(5.0, 161.0, 2.5)


def slowdowns() -> xr.DataArray:
    """P90 of the E2E slowdown over `cluster` and `rate_rps`; the authors' semantics, analytic."""
    place = PERCENTILES.index(PERCENTILE)
    return xr.DataArray(
        [_slowdown(name)[:, place] for name in EQUAL_POWER],
        dims=("cluster", "rate_rps"),
        coords={
            "cluster": list(EQUAL_POWER),
            "rate_rps": ("rate_rps", _RATES_RPS, {"units": "requests/s"}),
        },
    )


def _slowdown(name: str) -> np.ndarray:
    """Slowdowns of a cluster, [rates, percentiles]; infinite beyond its saturation."""
    served = EQUAL_POWER[name]
    cluster = served.cluster
    question = prepare(
        [cluster],
        served.model,
        AUTHORS.slo,
        timing=AUTHORS.timing,
        semantics=AUTHORS.semantics,
        stack=None,
        reference=None,
        tier="analytic",
    )
    prompt, other = (served.first, served.second) if served.second else (0, served.first)
    asked = Asked(question, AUTHORS.load(served.workload), Candidate(name, cluster))
    counts = np.array([float(prompt)]), np.array([float(other)])
    return asked(*counts, _RATES_RPS, percentiles=True).e2e_slowdown
