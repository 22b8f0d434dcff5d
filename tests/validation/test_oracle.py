"""Simulating the space: files that can be continued, and numbers that the tier itself gives."""

import json
from typing import Any

import numpy as np
import pytest

import splitmodel as sm
from splitmodel.cli import main
from splitmodel.errors import InputError
from splitmodel.validation import oracle
from splitmodel.validation.clusters import Case, case

SMALL = Case("AA", 1, 1, 2, True, "splitwise-sim", "bloom-176b", "lognormal 900 0.5 40 0.5", True)
OPTIONS: dict[str, Any] = {"seed": 0, "seeds": 2, "duration_s": 30.0, "progress": False}


@pytest.fixture
def stubbed(monkeypatch, rows):
    """Rows made elsewhere in place of simulations; returns the clusters that were asked for."""
    asked = []

    def simulate(one, index, shares, seeds, duration_s):
        asked.append(index)
        return [
            each._replace(cluster=index, case=one, load=load)
            for each, load in zip(rows, shares, strict=False)
        ]

    monkeypatch.setattr(oracle, "_simulate", simulate)
    return asked


def test_a_file_is_continued_and_reads_as_it_was_written(stubbed, rows, tmp_path):
    path = tmp_path / "simulated.csv"
    oracle.simulate_space(path, clusters=2, **OPTIONS)
    first = path.read_text()
    oracle.simulate_space(path, clusters=4, **OPTIONS)
    assert stubbed == [0, 1, 2, 3]
    assert path.read_text().startswith(first)
    assert list(tmp_path.iterdir()) == [path]
    found = oracle.read(path)
    assert [each.cluster for each in found] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [each.case for each in found[::3]] == [case(0, index) for index in range(4)]
    np.testing.assert_allclose(found[4].mean_s, rows[1].mean_s, rtol=1e-4)
    np.testing.assert_allclose(found[4].half_s, rows[1].half_s, rtol=0.05)


def test_a_file_made_otherwise_is_not_continued(stubbed, tmp_path):
    path = tmp_path / "simulated.csv"
    oracle.simulate_space(path, clusters=1, **OPTIONS)
    with pytest.raises(InputError, match=r"was made otherwise .*--seeds 2"):
        oracle.simulate_space(path, clusters=1, **{**OPTIONS, "seeds": 3})


def test_percentiles_are_those_of_the_request_level_tier(monkeypatch):
    monkeypatch.setattr(oracle, "REQUESTS", 1)
    (row,) = oracle._simulate(SMALL, 5, [0.8], seeds=2, duration_s=60.0)
    asked: dict[str, Any] = {"model": SMALL.model, "semantics": SMALL.semantics, "tier": "simulate"}
    highest_rps = sm.max_rate(
        SMALL.cluster, workload=SMALL.load, **asked, seed=0, seeds=2, duration_s=60.0
    )
    assert row.highest_rate_rps == highest_rps > 0.0
    asked |= {"warm_up_s": 15.0, "cool_down_s": 6.0, "interval": 0.9}
    load = SMALL.load.with_rate(0.8 * highest_rps)
    out = sm.evaluate(SMALL.cluster, load, **asked, seed=1, seeds=2, duration_s=60.0)
    for place, name in enumerate(oracle.COMPARED):
        np.testing.assert_allclose(row.mean_s[place], out[name], rtol=1e-6)
        np.testing.assert_allclose(row.mean_s[place] + row.half_s[place], out[f"{name}_high"])


def test_the_command_compares_a_file(rows, tmp_path, capsys, monkeypatch):
    path, figure = tmp_path / "simulated.csv", tmp_path / "errors.png"
    with monkeypatch.context() as stub:
        stub.setattr(oracle, "case", lambda seed, index: rows[3 * index].case)
        stub.setattr(oracle, "_simulate", lambda one, index, *rest: rows[3 * index : 3 * index + 3])
        assert main(["validate", "--clusters", "2", "--out", str(path), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["highest_rates"]["clusters"] == {"physical": 2}
    for band in made["errors"]["p90"]["physical"]["ttft"]["99"].values():
        assert band < 1e-3
    words = ["validate", "--simulated", str(path), "--errors-figure", str(figure)]
    assert main(words) == 0
    assert "physical: median and P90 of errors" in capsys.readouterr().out
    assert figure.stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "out: give either it"),
        (["--out", "new.csv", "--seeds", "1"], "seeds: 1 is outside"),
        (["--out", "new.csv", "--duration", "0"], "duration: 0 is outside"),
        (["--simulated", "none.csv"], "none.csv: cannot be read"),
        (["--simulated", "other.csv"], "not written by `splitmodel validate --out`"),
        (["--simulated", "empty.csv"], "empty.csv: holds no cluster"),
    ],
)
def test_bad_input_is_named(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    assert main(["validate", *words]) == 2
    assert message in capsys.readouterr().err
