"""Rows of a simulated space, made from the analytic tier itself."""

import numpy as np
import pytest

from splitmodel.provision.asked import Asked
from splitmodel.provision.candidate import Candidate
from splitmodel.provision.highest import highest_rates
from splitmodel.validation.clusters import Case
from splitmodel.validation.oracle import COMPARED, Measured

CASES = (
    Case("HA", 3, 4, 7, True, "physical", "bloom-176b", "conv", False),
    Case("baseline-H100", 0, 0, 12, False, "physical", "llama2-70b", "code", True),
)


@pytest.fixture(scope="session")
def rows() -> list[Measured]:
    """Each of two clusters at three loads, with the analytic percentiles in place of simulated."""
    found = []
    for index, case in enumerate(CASES):
        asked = Asked(case.question, case.load, Candidate(case.design, case.cluster))
        counts = np.array([float(case.prompt)]), np.array([float(case.token or case.machines)])
        (highest_rps,) = highest_rates(asked, *counts)
        loads = np.array([0.3, 0.7, 0.9])
        out = asked(*counts, loads * highest_rps, percentiles=True)
        for row, load in enumerate(loads):
            mean_s = np.stack([getattr(out, name)[row] for name in COMPARED]).astype(float)
            found.append(Measured(index, case, highest_rps, load, mean_s, 0.02 * mean_s))
    return found
