"""Ranked decisions: the main job, their tables, and questions that have no answer."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

import splitmodel as sm
from splitmodel.results import save
from splitmodel.variables import VARIABLES

LOAD = sm.Workload.azure("conv", rate_rps=20.0)
ASKED: dict[str, Any] = {"model": "bloom-176b", "semantics": "splitwise-sim"}
MAIN: dict[str, Any] = {"maximise": "rate", "budget_power_w": 408e3}
"""The power of 40 DGX-H100."""


@pytest.fixture(scope="module")
def main() -> xr.Dataset:
    return sm.provision(LOAD, **MAIN, **ASKED)


@pytest.fixture(scope="module")
def cheap() -> xr.Dataset:
    return sm.provision(LOAD, minimise="cost", map_points=4, **ASKED)


def of(result: xr.Dataset, design: str) -> xr.Dataset:
    return result.isel(rank=result.design.values == design).squeeze("rank")


def test_main_job_ranks_all_designs_within_the_budget(main):
    assert set(main.design.values) == set(sm.DESIGN_NAMES)
    assert list(main["rank"].values) == [1, 2, 3, 4, 5, 6]
    assert (np.diff(main.highest_rate_rps) <= 0.0).all()
    assert (main.power_provisioned_w <= 408e3 * (1.0 + 2e-6)).all()
    assert (main.slo_met == 1).all() and (main.status == 0).all()
    assert of(main, "baseline-A100").machines == 70
    assert of(main, "baseline-H100").machines == 40


@pytest.mark.numerics
def test_main_job_splits_as_the_authors_simulator_does(main):
    """It is flat between 45 and 55 prompt machines: 117.5, 120 and 119 requests/s."""
    best = of(main, "AA")
    assert best.machines == 70
    assert 44 <= best.prompt <= 56


@pytest.mark.numerics
def test_every_splitwise_design_is_ahead_of_its_own_baseline(main):
    assert of(main, "AA").rate_vs_baseline_a100 > 1.0
    for design in ("HH", "HA", "HHcap"):
        assert of(main, design).rate_vs_baseline_h100 > 1.0


def test_every_metric_is_at_the_rate_that_counts(main, cheap):
    for result in (main, cheap):
        assert set(sm.Metrics.__dataclass_fields__) <= set(result.data_vars)
        np.testing.assert_allclose(result.throughput_rps, result.rate_rps, rtol=1e-6)
        for name, array in result.data_vars.items():
            assert array.attrs["units"] == VARIABLES[str(name)].units
            assert np.isfinite(array).all(), name
    np.testing.assert_allclose(main.rate_rps, main.highest_rate_rps, rtol=1e-6)
    assert (cheap.rate_rps == 20.0).all() and (cheap.highest_rate_rps >= 20.0).all()
    assert cheap.rate_rps.attrs["units"] == "requests/s"


def test_ratios_are_against_the_best_baseline(main):
    row, baseline = of(main, "HA"), of(main, "baseline-H100")
    for quantity, variable in (
        ("rate", "highest_rate_rps"),
        ("cost", "cost_usd_per_hour"),
        ("power", "power_provisioned_w"),
    ):
        expected = row[variable] / baseline[variable]
        np.testing.assert_allclose(row[f"{quantity}_vs_baseline_h100"], expected, rtol=1e-6)
        assert of(main, "baseline-A100")[f"{quantity}_vs_baseline_a100"] == 1.0


def test_the_least_comes_first(cheap):
    assert (np.diff(cheap.cost_usd_per_hour) >= 0.0).all()
    assert cheap.attrs["minimise"] == "cost" and cheap.attrs["infeasible"] == ""


def test_the_best_can_do_more_than_is_asked_by_a_margin(cheap):
    def beyond(margin: float) -> xr.Dataset:
        return sm.provision(LOAD, minimise="cost", margin=margin, designs=["AA", "HH"], **ASKED)

    assert cheap.attrs["margin"] == 0.05
    assert (cheap.highest_rate_rps >= 1.05 * 20.0).all()
    found, more = (
        beyond(0.5),
        sm.provision(
            LOAD.with_rate(30.0), minimise="cost", margin=0.0, designs=["AA", "HH"], **ASKED
        ),
    )
    for name in ("design", "prompt", "token", "cost_usd_per_hour"):
        assert (found[name] == more[name]).all(), name
    assert (found.rate_rps == 20.0).all() and (found.highest_rate_rps >= 30.0).all()
    least = beyond(0.0)
    assert (least.cost_usd_per_hour.values < found.cost_usd_per_hour.values).all()
    assert (least.highest_rate_rps < 30.0).all()


@pytest.mark.parametrize("design", ["baseline-H100", "HHcap"])
def test_rates_agree_with_max_rate(main, design):
    row = of(main, design)
    counts = {name: row[name].item() for name in ("prompt", "token", "machines")}
    rate_rps = sm.max_rate(sm.cluster_of(design, **counts), workload="conv", **ASKED)
    np.testing.assert_allclose(row.highest_rate_rps, rate_rps, rtol=2e-3)


def test_other_machines_and_policies_may_be_asked_about():
    still = sm.Cluster.splitwise("AA", prompt=1, token=1, mixed_pool=False)
    result = sm.provision(
        LOAD,
        model="llama2-70b",
        minimise="machines",
        designs=["DGX-H200+DGX-A100", "baseline-DGX-H200", still],
    )
    assert set(result.design.values) == {"DGX-H200+DGX-A100", "baseline-DGX-H200", "AA"}
    assert not any("_vs_baseline_" in str(name) for name in result.data_vars)


def test_a_design_that_does_not_do_is_left_out_with_its_reason():
    result = sm.provision(
        LOAD, maximise="rate", budget_machines=1, designs=["AA", "baseline-H100"], **ASKED
    )
    assert result.design.values == ["baseline-H100"]
    assert result.attrs["infeasible"] == (
        "AA: not even one machine of each pool is within the budgets"
    )


def test_no_answer_is_an_error_that_says_why():
    hard = sm.SLO(tbt_s={99: 1e-3})
    with pytest.raises(
        sm.InfeasibleError, match=r"AA: tbt_s P99 is 0\.0\d+ .* limit is 0\.001.*slo="
    ):
        sm.provision(LOAD, minimise="cost", designs="AA", slo=hard, **ASKED)
    with pytest.raises(sm.InfeasibleError, match="more than 65,536 machines in each pool"):
        sm.provision(LOAD.with_rate(1e9), minimise="cost", designs="baseline-A100", **ASKED)
    with pytest.raises(sm.InfeasibleError, match=r"not even one machine.*raise the budgets"):
        sm.provision(LOAD, maximise="rate", budget_usd_per_hour=1.0, **ASKED)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give one of them"),
        ({"minimise": "cost", **MAIN}, "give one of them"),
        ({"minimise": "price"}, "minimise: unknown name 'price'"),
        ({"maximise": "speed", "budget_machines": 5}, "maximise: unknown name 'speed'"),
        ({"maximise": "rate"}, "needs a budget, one of budget_power_w"),
        ({"minimise": "cost", "budget_machines": 5}, "budget_machines: only with maximise"),
        ({"minimise": "cost", "margin": -0.1}, r"margin: -0.1 is outside .* \[0, inf"),
        ({"minimise": "cost", "margin": 0.1, "confirm": 5}, "margin: 0.1 with confirm=5"),
        ({**MAIN, "margin": 0.1}, "margin: 0.1 needs minimise="),
        ({"maximise": "rate", "budget_machines": 0}, r"budget_machines: 0 is outside .* \(0, inf"),
        ({"maximise": "rate", "budget_power_w": float("nan")}, "budget_power_w: nan is outside"),
        ({**MAIN, "designs": []}, "designs: empty"),
        ({**MAIN, "designs": ["AB"]}, "design: unknown name 'AB'; did you mean"),
        ({**MAIN, "designs": ["AA", "AA"]}, "designs: 'AA' is given more than once"),
        ({**MAIN, "designs": ["DGX-H300+DGX-A100"]}, "unknown name 'DGX-H300'"),
        ({**MAIN, "model": "blom"}, "unknown name 'blom'"),
        ({**MAIN, "semantics": "real"}, "semantics: unknown name 'real'"),
        ({**MAIN, "map_points": 1}, "map_points: 1 is outside"),
        ({**MAIN, "model": "gpt3-175b", "designs": "baseline-DGX-A100-40GB"}, "does not fit"),
    ],
)
def test_bad_input_is_named_before_any_work(options, message):
    with pytest.raises(sm.InputError, match=message):
        sm.provision(LOAD, **(ASKED | options))


def test_semantics_side_by_side_are_a_tree_that_fits_a_file(tmp_path):
    tree = sm.compare_semantics(
        LOAD, model="bloom-176b", maximise="rate", budget_machines=6, designs=["AA", "HA"]
    )
    assert list(tree.children) == ["physical", "splitwise-sim"]
    assert tree["physical"].attrs["timing"] == "roofline"
    assert tree["splitwise-sim"].attrs["timing"] == "interpolated"
    save(tree, tmp_path / "best.nc")
    xr.testing.assert_identical(xr.load_datatree(tmp_path / "best.nc", engine="h5netcdf"), tree)


def test_maps_cover_what_the_budget_reaches(cheap):
    assert list(cheap.map_design.values) == ["AA", "HH", "HA", "HHcap"]
    assert dict(cheap.map_highest_rate_rps.sizes) == {
        "map_design": 4,
        "map_column": 4,
        "map_row": 4,
    }
    assert (cheap.map_prompt[:, 0] == 1.0).all() and (cheap.map_token[:, 0] == 1.0).all()
    reached = cheap.map_cost_usd_per_hour.isel(map_column=-1, map_row=0)
    assert (reached <= 1.5 * cheap.cost_usd_per_hour[0] * (1.0 + 1e-5)).all()
    assert (cheap.map_highest_rate_rps.isel(map_column=-1, map_row=-1) > 20.0).all()
