"""The best few clusters again, by simulation: what is tried, and what comes first."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import xarray as xr

import splitmodel as sm
from splitmodel.provision import confirm
from splitmodel.simulate import sample as samples

LOAD = sm.Workload.azure("conv", rate_rps=6.0)
ASKED: dict[str, Any] = {"model": "bloom-176b", "semantics": "splitwise-sim"}
QUICK: dict[str, Any] = {"seeds": 2, "duration_s": 60.0}
DESIGNS = ["AA", "HA", "baseline-H100"]


@pytest.fixture(scope="module")
def cheap():
    return sm.provision(LOAD, minimise="cost", designs=DESIGNS, confirm=4, **QUICK, **ASKED)


@pytest.fixture
def simulated(monkeypatch):
    """Lets a rule on the cluster stand for its simulation; returns the clusters that were asked."""

    def replace(holds):
        tried = []

        def sample(setting, load, options):
            tried.append(setting.cluster)
            limited = 0.5 if holds(setting.cluster) else 1e3
            return samples.Sample(np.full((2, 6, 3), limited), stable=True)

        monkeypatch.setattr(samples, "sample", sample)
        return tried

    return replace


def cluster_in(row: xr.Dataset) -> sm.Cluster:
    counts = {name: row[name].item() for name in ("prompt", "token", "machines")}
    return sm.cluster_of(row.design.item(), **counts)


def test_both_tiers_stand_side_by_side(cheap):
    assert cheap.sizes["rank"] >= 4
    held = cheap.isel(rank=0)
    assert held["holds_in_simulation"] == held["slo_met"] == 1
    again = sm.evaluate(
        cluster_in(held),
        LOAD,
        tier="simulate",
        arrivals="random",
        warm_up_s=15.0,
        cool_down_s=6.0,
        **QUICK,
        **ASKED,
    )
    for name in ("ttft_s", "tbt_s", "e2e_slowdown"):
        np.testing.assert_allclose(held[f"simulated_{name}"], again[name], rtol=1e-5)
        assert held[f"simulated_{name}"].attrs["units"] == held[name].attrs["units"]


def test_the_cheapest_that_holds_comes_first(cheap):
    holds, cost = cheap["holds_in_simulation"].values, cheap["cost_usd_per_hour"].values
    assert (np.diff(holds) <= 0).all()
    assert (np.diff(cost[holds == 1]) >= 0.0).all()
    counts = ("design", "prompt", "token", "machines")
    clusters = set(zip(*(cheap[name].values.tolist() for name in counts), strict=True))
    assert len(clusters) == cheap.sizes["rank"]


def test_a_larger_cluster_is_found_where_the_best_few_fail(simulated):
    best = sm.provision(LOAD, minimise="cost", margin=0.0, designs="AA", **ASKED).isel(rank=0)
    enough = best["prompt"].item() + 4
    tried = simulated(lambda cluster: cluster.prompt.machines >= enough)
    result = sm.provision(LOAD, minimise="cost", designs="AA", confirm=2, **ASKED)
    assert result["holds_in_simulation"].values.tolist() == [1] + [0] * (len(tried) - 1)
    assert result["prompt"][0] == enough
    dearest = result["cost_usd_per_hour"].max().item()
    assert result["cost_usd_per_hour"][0].item() == pytest.approx(dearest, rel=1e-6)
    assert (result["highest_rate_rps"] >= 6.0).all()
    assert result.attrs["confirmed"] == f"1 of {len(tried)} clusters hold in simulation"


def test_a_cheaper_cluster_is_found_that_the_analytic_tier_passes_over(simulated):
    # Of the other design, no cluster is small enough to come into question.
    designs = ["AA", "baseline-A100"]
    asked: dict[str, Any] = {"minimise": "machines", "designs": designs, **ASKED}
    load = LOAD.with_rate(60.0)
    best = sm.provision(load, **asked, margin=0.0).isel(rank=0)
    enough = best["machines"].item() - 2
    tried = simulated(lambda cluster: cluster.machines >= enough)
    result = sm.provision(load, **asked, confirm=3).isel(rank=0)
    assert result["holds_in_simulation"] == 1 and result["machines"] == enough
    assert result["slo_met"] == 0 and result["highest_rate_rps"] < 60.0
    counts = [(float(each.prompt.machines), float(each.token.machines)) for each in tried]
    assert len(set(counts)) == len(counts)
    # None is tried that has no machine more than one that has failed.
    failed = [each for each in counts if sum(each) < enough]
    assert failed and not any(np.less_equal(b, a).all() for a, b in pairwise(failed))


def test_the_nearest_comes_first_where_nothing_holds(simulated):
    tried = simulated(lambda cluster: False)
    result = sm.provision(LOAD, minimise="power", designs="baseline-H100", confirm=3, **ASKED)
    assert len(tried) == result.sizes["rank"] == 3 + confirm.FURTHER
    assert not result["holds_in_simulation"].any()
    assert "0 of 23 clusters hold" in result.attrs["confirmed"]
    assert "nearest" in result.attrs["confirmed"]


def test_the_highest_rate_by_simulation_comes_first():
    result = sm.provision(
        LOAD, maximise="rate", budget_machines=4, designs=DESIGNS, confirm=3, **QUICK, **ASKED
    )
    simulated_rps = result["simulated_highest_rate_rps"]
    assert result.sizes["rank"] == 3
    assert (np.diff(simulated_rps) <= 0.0).all() and (simulated_rps > 0.0).all()
    assert (result["machines"] <= 4).all()
    best = cluster_in(result.isel(rank=0))
    again_rps = sm.max_rate(best, workload=LOAD, tier="simulate", **QUICK, **ASKED)
    assert simulated_rps[0].item() == pytest.approx(again_rps, rel=0.03)
    assert simulated_rps.attrs["units"] == "requests/s"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confirm": -1}, "confirm: -1 is not a whole number"),
        ({"confirm": True}, "confirm: True is not a whole number"),
        ({"seeds": 2}, "seeds: only with confirm"),
        ({"confirm": 2, "seeds": 0}, "seeds: 0 is not a whole number"),
        ({"confirm": 2, "duration": 9.0}, "option: unknown name 'duration'; did you mean"),
    ],
)
def test_bad_input_is_named_before_any_work(options, message):
    with pytest.raises(sm.InputError, match=message):
        sm.provision(LOAD, minimise="cost", **options, **ASKED)
