"""The fit of the published profile, made once for all tests that look at it."""

import pytest

pytest.importorskip("optimistix")

from splitmodel_calibration.datasets.splitwise import splitwise_profile
from splitmodel_calibration.fit.fit import fit
from splitmodel_calibration.fit.priors import priors
from splitmodel_calibration.fit.problem import make_problem
from splitmodel_calibration.fit.uncertainty import uncertainty


@pytest.fixture(scope="session")
def profile():
    return splitwise_profile()


@pytest.fixture(scope="session")
def problem(profile):
    return make_problem(profile.rows, priors())


@pytest.fixture(scope="session")
def fitted(problem):
    return fit(problem, starts=2, scans={})


@pytest.fixture(scope="session")
def sure(fitted):
    return uncertainty(fitted)
