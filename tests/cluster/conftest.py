"""What the tests of decodes share."""

import numpy as np
import pytest

import splitmodel as sm
from splitmodel.cluster.make_case import make_case
from splitmodel.specs.leaves import as_arrays


@pytest.fixture(scope="package")
def case_of():
    """A case of requests with these outputs [tokens]."""

    def make(outputs):
        load = sm.Workload.from_arrays(np.full(len(outputs), 500.0), outputs, rate_rps=1.0)
        cluster = sm.Cluster.splitwise("HH", prompt=1, token=1)
        asked = {"slo": None, "timing": None, "semantics": "physical", "stack": None}
        given = as_arrays((cluster, load))
        return make_case(*given, "llama2-70b", reference="DGX-A100", **asked)[0]

    return make
