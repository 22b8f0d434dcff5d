"""Metrics for any counts and rates: order, shapes, and one compilation for all that is asked."""

from typing import Any

import numpy as np
import pytest

import splitmodel as sm
from splitmodel.evaluate import prepare
from splitmodel.provision import asked
from splitmodel.provision.asked import CHUNK, Asked
from splitmodel.provision.candidate import Candidate

SETTINGS: dict[str, Any] = {"timing": None, "stack": None, "reference": None, "tier": "analytic"}


def ask(design: str, workload: str = "conv", slo: str | None = "splitwise") -> Asked:
    cluster = sm.cluster_of(design)
    question = prepare([cluster], "bloom-176b", slo, semantics="physical", **SETTINGS)
    return Asked(question, sm.Workload.azure(workload, rate_rps=1.0), Candidate(design, cluster))


def test_rows_keep_their_order_through_padded_chunks():
    first = np.arange(1.0, CHUNK + 2.0)
    rates_rps = np.stack([first, first + 1.0])
    found = ask("HA")(first, 2.0 * first, rates_rps)
    assert found.machines.shape == (2, CHUNK + 1)
    np.testing.assert_array_equal(found.machines, np.stack([3.0 * first] * 2))
    np.testing.assert_array_equal(found.throughput_rps, rates_rps)
    np.testing.assert_allclose(
        found.load_fraction[1] / found.load_fraction[0], (first + 1.0) / first, rtol=1e-5
    )


@pytest.mark.parametrize(("design", "counts"), [("HA", (25, 26)), ("baseline-H100", (0, 40))])
def test_agrees_with_evaluate(design, counts):
    found = ask(design)(counts[0], counts[1], 60.0, percentiles=True)
    names = ("prompt", "token") if counts[0] else ("token", "machines")
    named = {name: count for name, count in zip(names, counts, strict=True) if count}
    cluster = sm.cluster_of(design, **named)
    expected = sm.evaluate(cluster, sm.Workload.azure("conv", rate_rps=60.0), model="bloom-176b")
    for name in ("ttft_s", "tbt_slowdown", "cost_usd_per_hour", "status"):
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=2e-4)


def test_one_compilation_serves_all_designs_machines_loads_and_wishes():
    ask("AA")(3.0, 3.0, 1.0)
    before = asked._compiled.cache_info().misses
    for design in (*sm.DESIGN_NAMES, "DGX-H200+DGX-A100", "baseline-DGX-H200"):
        for workload, slo in (("conv", None), ("code", "splitwise")):
            ask(design, workload, slo)(np.ones(3), np.ones(3), np.ones(3), percentiles=True)
    assert asked._compiled.cache_info().misses == before


def test_percentiles_are_left_out_where_nobody_wants_them():
    found = ask("AA")(20.0, 10.0, 5.0)
    assert found.slo_met == 1.0 and np.isinf(found.ttft_s).all()
