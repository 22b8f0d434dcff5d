"""Mixes of workloads: the requests of each in their shares."""

import numpy as np
import pytest

from splitmodel.errors import InputError
from splitmodel.specs.workload import Workload
from splitmodel.sweep.mixes import mix


def test_a_name_alone_is_that_workload():
    one, other = mix("code", 3.0), Workload.azure("code", rate_rps=3.0)
    np.testing.assert_array_equal(one.weight, other.weight)
    assert one.rate_rps == 3.0


@pytest.mark.parametrize("column", ["prompt", "output"])
def test_means_mix_in_proportion(column):
    conv, code = (Workload.azure(name, 1.0).mean_tokens(column) for name in ("conv", "code"))
    found = mix("3 conv + 1 code", 1.0).mean_tokens(column)
    np.testing.assert_allclose(found, 0.75 * conv + 0.25 * code, rtol=1e-3)


def test_an_unknown_workload_is_named():
    with pytest.raises(InputError, match="unknown name 'cone'; did you mean"):
        mix("0.5 conv + 0.5 cone", 1.0)
