"""The command: reductions in a SPEC, stores, and what it refuses."""

import json
import re

import cheap_sweep
import pytest
import xarray as xr

import splitmodel as sm
from splitmodel.cli import main
from splitmodel.cli.sweep import EXAMPLE
from splitmodel.specs.entry import Entry
from splitmodel.specs.files import read_file
from splitmodel.sweep.design_space import DesignSpace
from splitmodel.sweep.from_toml import reductions_of

SPEC = """\
model = "bloom-176b"
workload = ["conv", "0.5 conv + 0.5 code"]
design = "AA"
prompt = [5, 10]
token = { from = 5, to = 15, points = 3 }
rate_rps = 5.0
[reduce.lean]
count = "saturation_rps > 5"
[reduce.best]
top = 2
by = "saturation_rps / machines"
largest = true
where = "status == 0"
"""


@pytest.fixture
def spec(tmp_path) -> str:
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return str(path)


def test_a_spec_with_reductions_and_a_store(spec, tmp_path, capsys):
    out, store = str(tmp_path / "out.nc"), str(tmp_path / "store")
    words = ["sweep", spec, "--out", out, "--store", store]
    assert main([*words, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["configurations"] == 2 * 2 * 3
    with xr.open_datatree(out, engine="h5netcdf") as told:
        assert told.attrs["workload"] == "conv, 0.5 conv + 0.5 code"
        best = told["best"].to_dataset().load()
        ratio = best["saturation_rps"] / (best["prompt"] + best["token"])
        assert (ratio > 0.0).all() and (ratio.diff("rank") <= 0.0).all()
        assert 0 < told["lean"]["configurations"] <= 12
    assert main(words) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0
    assert capsys.readouterr().out.startswith("12 configurations in 2 blocks\n")
    with xr.open_datatree(out, engine="h5netcdf") as again:
        xr.testing.assert_identical(again["best"].to_dataset().load(), best)


def test_a_stop_says_how_to_go_on(spec, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("splitmodel.cli.sweep.sweep", stopped)
    with pytest.raises(SystemExit, match="--resume goes on with it"):
        main(["sweep", spec, "--store", str(tmp_path / "store")])


def test_a_scheduler_that_is_not_there_is_named(spec, tmp_path, monkeypatch, capsys):
    def absent(*_, **__):
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr("distributed.Client", absent)
    assert main(["sweep", spec, "--out", str(tmp_path / "o.nc"), "--dask", "tcp://nobody:1"]) == 2
    assert "dask: no scheduler at tcp://nobody:1: Timed out" in capsys.readouterr().err


def test_all_lines_of_the_example_work(tmp_path):
    """Also those that it has as comments."""
    lines = [line.removeprefix("# ") for line in EXAMPLE.splitlines()]
    fields = [line for line in lines if line[:1] == "[" or line.partition(" = ")[0].isidentifier()]
    # One workload and a list of them exclude each other.
    given = [line for line in fields if not line.startswith('workload = "conv"')]
    path = tmp_path / "spec.toml"
    path.write_text("\n".join(given))
    entry = read_file(path)
    for name in ("model", "slo", "semantics", "variables"):
        entry.get(name)
    assert {*(reductions_of(entry) or ())} == {"cheapest", "front", "spread", "feasible"}
    space = DesignSpace.from_entry(entry)
    assert space.zipped == (("prompt", "token"),) and len(space.workload) == 2
    assert 0 < len(space) < 1000


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"top": 3}, "^file.toml: reduce.best.by: missing"),
        ({"top": 0.5, "by": "machines"}, "best.top: 0.5 is not a whole number"),
        ({"count": "slo_met", "top": 3}, "best: needs one of top, minimise"),
        ({"where": "slo_met"}, "best: needs one of"),
        ({"count": "slo_met", "were": "slo_met"}, "unknown name 'were'"),
        ({"histogram": "machines", "edges": 3}, "best: edges: 3 are not numbers"),
    ],
)
def test_bad_reductions_are_refused(table, message):
    with pytest.raises(sm.InputError, match=message):
        reductions_of(Entry({"reduce": {"best": table}}, "file.toml"))


def test_size_and_time_are_told_before_the_work():
    told = []
    cheap_sweep.run(progress=told.append)
    assert re.fullmatch(r"81,500 configurations in \d+ blocks", told[0])
    assert re.fullmatch(r"about 00:0\d at [\d,]+ configurations/s", told[1])
