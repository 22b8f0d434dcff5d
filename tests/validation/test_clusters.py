"""The designed space: the same for the same seed, and balanced."""

from collections import Counter

import numpy as np
import pytest

from splitmodel.specs.design import DESIGN_NAMES
from splitmodel.validation.clusters import BANDS, MODELS, MOST_MACHINES, case, loads

SPACE = [case(0, index) for index in range(144)]


def test_a_cluster_depends_on_seed_and_index_alone():
    assert case(0, 17) == SPACE[17]
    assert loads(0, 17) == loads(0, 17) != loads(0, 18)
    assert case(1, 17) != SPACE[17]


def test_designs_semantics_and_workloads_come_in_equal_parts():
    cells = Counter((each.design, each.semantics, each.workload.split()[0]) for each in SPACE)
    assert len(cells) == 6 * 2 * 3 and set(cells.values()) == {4}
    for name, values in (("model", MODELS), ("mixed_pool", (True, False))):
        counts = Counter(getattr(each, name) for each in SPACE)
        assert set(counts) == set(values) and min(counts.values()) > 30
    assert 40 < sum(each.independent for each in SPACE) < 120


def test_counts_reach_from_one_machine_to_the_most():
    machines = np.array([each.machines for each in SPACE])
    assert machines.min() <= 2 and 0.8 * MOST_MACHINES < machines.max() <= MOST_MACHINES
    assert 0.3 < (machines >= 10).mean() < 0.7  # even in the logarithm
    for each in SPACE[:12]:
        assert float(each.cluster.machines) == each.machines
        assert each.cluster.label.value == each.design in DESIGN_NAMES
        assert float(each.cluster.mixed_pool) == each.mixed_pool
        if each.prompt:
            assert each.prompt + each.token == each.machines and each.token >= 1


def test_there_is_a_load_in_each_band():
    for index in range(20):
        for load, (low, high) in zip(loads(0, index), BANDS, strict=True):
            assert low <= load <= high


def test_lognormal_sizes_have_the_mean_of_their_name():
    drawn = SPACE[0]._replace(workload="lognormal 900 0.80 50 0.40", independent=True)
    assert drawn.load.mean_tokens("prompt") == pytest.approx(900.0, rel=0.01)
    assert drawn.load.mean_tokens("output") == pytest.approx(50.0, rel=0.01)
    requests = drawn.load.source.value
    assert np.log(requests.prompt_tokens).std() == pytest.approx(0.8, rel=0.01)
    assert requests.independent
