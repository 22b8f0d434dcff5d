"""The tier through `evaluate` and the command line: schema, seeds, errors."""

import csv
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import xarray as xr

import splitmodel as sm
from splitmodel.cli import main
from splitmodel.errors import InputError
from splitmodel.simulate import run

CLUSTER = sm.Cluster.splitwise("HA", prompt=3, token=3)
LOAD = sm.Workload.azure("conv", rate_rps=8.0)


def evaluate(cluster=CLUSTER, load=LOAD, **options: Any):
    options = {"model": "bloom-176b", "semantics": "splitwise-sim", "tier": "simulate"} | options
    return sm.evaluate(cluster, load, **options)


@pytest.fixture(scope="module")
def both():
    return evaluate(duration_s=400.0, per_request=True), evaluate(tier="analytic")


def test_the_schema_is_that_of_the_analytic_tier(both):
    simulated, analytic = both
    for name in analytic.data_vars:
        assert simulated[name].dims == analytic[name].dims
        assert simulated[name].attrs == analytic[name].attrs
        assert np.isfinite(simulated[name]).all()
    assert simulated.attrs["tier"] == "simulate"
    assert analytic.attrs["tier"] == "analytic"


def test_at_low_load_the_tiers_agree(both):
    simulated, analytic = both
    for name in ("ttft_s", "tbt_s", "ttft_parts_s", "kv_transfer_s", "energy_j_per_request"):
        error = np.abs(simulated[name] - analytic[name]).sum() / np.abs(analytic[name]).sum()
        assert error < 0.1, name
    assert simulated["slo_met"] == 1
    assert simulated["slo_attainment"] > 0.99


def test_percentiles_are_those_of_the_requests(both):
    simulated, _ = both
    for name in ("ttft_s", "tbt_s", "e2e_s"):
        found = np.nanpercentile(simulated[f"request_{name}"], [50, 90, 99])
        np.testing.assert_allclose(simulated[name], found)
    alone_s = simulated["request_ttft_s"] - simulated["request_queue_s"]
    assert (alone_s > 0.0).all()


def test_tbt_of_one_token_is_undefined():
    load = sm.Workload.from_trace([0.0, 1.0], [100, 100], [1, 11])
    for semantics, steps in (("physical", 10), ("splitwise-sim", 11)):
        out = evaluate(load=load, semantics=semantics, per_request=True)
        tbt_s = out["request_tbt_s"].values
        assert np.isnan(tbt_s[0])
        decode_s = (out["request_e2e_s"] - out["request_ttft_s"]).values[1]
        assert tbt_s[1] == pytest.approx(decode_s / steps)
        assert out["tbt_s"].values == pytest.approx(tbt_s[1])


def test_seeds_give_means_and_intervals_on_any_number_of_cores(monkeypatch):
    together = evaluate(seeds=3, duration_s=60.0, interval=0.9)
    monkeypatch.setattr(run, "cores", lambda: 1)
    xr.testing.assert_identical(together, evaluate(seeds=3, duration_s=60.0, interval=0.9))
    assert set(together.data_vars) == set(evaluate(seeds=3, duration_s=60.0).data_vars)
    assert (together["ttft_s_low"] < together["ttft_s"]).all()
    assert (together["ttft_s"] < together["ttft_s_high"]).all()
    wider = evaluate(seeds=3, duration_s=60.0, interval=0.99)
    # Quantiles of Student's t with two degrees of freedom.
    ratio = (wider["e2e_s_high"] - wider["e2e_s"]) / (together["e2e_s_high"] - together["e2e_s"])
    np.testing.assert_allclose(ratio, 9.9248 / 2.92, rtol=1e-3)


def test_configurations_run_side_by_side():
    clusters = [sm.Cluster.splitwise("HA", prompt=3, token=count) for count in (1, 2, 3)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda each: evaluate(each, duration_s=60.0), clusters))
    for cluster, out in zip(clusters, together, strict=True):
        xr.testing.assert_identical(out, evaluate(cluster, duration_s=60.0))


def test_overload_is_unstable():
    out = evaluate(sm.Cluster.baseline("A100", machines=1), duration_s=100.0)
    assert out["status"] == sm.Status.UNSTABLE
    assert out["slo_met"] == 0
    assert out["throughput_rps"] < 0.7 * 8.0


def test_the_timeline_holds_every_iteration():
    out = evaluate(duration_s=30.0, timeline=True)
    busy_s = (out["iteration_end_s"] - out["iteration_start_s"]).groupby(out["iteration_server"])
    assert dict(busy_s.sum().sizes) == {"iteration_server": 6}
    assert (out["iteration_prompts"] + out["iteration_decodes"] > 0).all()


def test_a_request_that_never_fits_is_named():
    load = sm.Workload.from_trace([0.0, 1.0, 2.0], [10, 10, 200_000], [5, 5, 5])
    with pytest.raises(InputError, match="row 3 needs 200005 tokens"):
        evaluate(load=load)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tier": "analytic", "seed": 1}, "seed"),
        ({"tier": "analytic", "per_request": True}, "per_request"),
        ({"sed": 1}, "sed"),
        ({"tier": "simulation"}, "tier"),
        ({"interval": 0.9}, "interval"),
        ({"interval": 1.0, "seeds": 2}, "interval"),
        ({"per_request": True, "seeds": 2}, "per_request"),
        ({"cluster": sm.Cluster.splitwise("HA", prompt=2.5, token=1)}, "machines"),
    ],
)
def test_bad_questions(options, named):
    with pytest.raises(InputError, match=named):
        evaluate(**options)


def test_command_line(tmp_path, capsys):
    trace = tmp_path / "trace.csv"
    trace.write_text("arrival_s,prompt_tokens,output_tokens\n0,500,3\n1,700,1\n2.5,900,20\n")
    table = tmp_path / "requests.csv"
    question = "--design HH --prompt 1 --token 1 --model bloom-176b --semantics splitwise-sim"
    files = ["--workload", str(trace), "--per-request", str(table)]
    code = main(["evaluate", *question.split(), *files, "--tier", "simulate", "--json"])
    assert code == 0
    printed = json.loads(capsys.readouterr().out)
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["prompt_tokens"] for row in rows] == ["500", "700", "900"]
    assert printed["ttft_s"]["50"] == pytest.approx(float(rows[1]["ttft_s"]))
    assert "request_ttft_s" not in printed


def test_the_analytic_tier_does_not_wait_for_the_compiler():
    loaded = "import sys, splitmodel; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded]).returncode == 0
