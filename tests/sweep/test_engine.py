"""Many configurations at once: order, padding, one compilation, and rows that are refused."""

import equinox as eqx
import jax
import numpy as np
import pytest

from splitmodel.errors import InputError
from splitmodel.specs.design import DESIGN_NAMES, cluster_of, is_baseline
from splitmodel.specs.workload import Workload
from splitmodel.sweep.engine import CHUNK, Group, Rows, run_rows

LOAD = Workload.azure("conv", rate_rps=1.0)
TRACED = []


class Echo(eqx.Module):
    """A cheap function that shows what it was given."""

    scale: float

    def __call__(self, cluster, load):
        TRACED.append(cluster)
        counts = [pool.machines for pool in cluster.pools]
        return {
            "row": jax.numpy.stack([*counts, load.rate_rps]),
            "power_w": self.scale * cluster.power_provisioned_w,
        }


def rows(design: str, count: int) -> Rows:
    one, none = np.arange(1.0, count + 1.0), np.zeros(count)
    if is_baseline(design):
        return Rows(none, none, one, 0.5 * one)
    return Rows(one, 2.0 * one, none, 0.5 * one)


def test_rows_keep_their_order_through_groups_and_padded_chunks():
    counts = (3, CHUNK + 1, CHUNK)
    groups = [
        Group(cluster_of(design), rows(design, count))
        for design, count in zip(("AA", "baseline-H100", "HHcap"), counts, strict=True)
    ]
    found = run_rows(Echo(2.0), LOAD, groups)
    assert isinstance(found["row"], np.ndarray)
    expected = np.concatenate([np.stack(group.rows, axis=1) for group in groups])
    np.testing.assert_array_equal(found["row"], expected)
    power_w = [
        np.asarray(group.rows.of(group.cluster).power_provisioned_w, float) for group in groups
    ]
    np.testing.assert_allclose(found["power_w"], 2.0 * np.concatenate(power_w), rtol=1e-6)


def test_one_trace_serves_all_designs_machines_and_sizes():
    TRACED.clear()
    designs = (*DESIGN_NAMES, "DGX-H200+DGX-A100", "baseline-DGX-H200")
    groups = [Group(cluster_of(name, power_cap=0.9), rows(name, 5)) for name in designs]
    for scale, service in ((3.0, "conv"), (4.0, "code")):
        run_rows(Echo(scale), Workload.azure(service, rate_rps=1.0), groups)
    assert len(TRACED) <= 1, "traced again for another design, machine, count, load or constant"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rate_rps", 0.0, "rate_rps: 0 is outside"),
        ("rate_rps", np.nan, "rate_rps: nan is outside"),
        ("rate_rps", np.inf, "rate_rps: inf is outside"),
        ("prompt", -1.0, "prompt: -1 is outside"),
        ("mixed", np.nan, "mixed: nan is outside"),
    ],
)
def test_a_bad_row_is_refused_before_any_work(field, value, message):
    good = rows("AA", 4)
    changed = getattr(good, field).copy()
    changed[2] = value
    TRACED.clear()
    with pytest.raises(InputError, match=message):
        run_rows(Echo(1.0), LOAD, [Group(cluster_of("AA"), good._replace(**{field: changed}))])
    assert not TRACED


def test_a_cluster_without_machines_is_refused():
    none = np.zeros(2)
    with pytest.raises(InputError, match="machines: 0 is outside"):
        run_rows(Echo(1.0), LOAD, [Group(cluster_of("AA"), Rows(none, none, none, none + 1.0))])
