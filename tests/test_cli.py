"""The command line: what it prints, and one line with exit code 2 for whatever it cannot use."""

import json
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
import xarray as xr
from cyclopts import App

import splitmodel as sm
from splitmodel.cli import main, plugins, provision, sweep
from splitmodel.cli import max_rate as cli_max_rate

HA = "--design HA --prompt 25 --token 26"
LOAD = "--workload conv --rate 70 --model bloom-176b"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Runs a command line that must succeed; returns what it prints."""

    def run(line: str) -> str:
        code, (out, err) = main(line.split()), capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    return run


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]):
    """Runs a command line that must be refused; returns the one line that says why."""

    def refusal(line: str) -> str:
        code, (out, err) = main(line.split()), capsys.readouterr()
        assert (code, out) == (2, "")
        assert err.startswith("splitmodel: ") and err.endswith("\n") and err.count("\n") == 1
        return err.removeprefix("splitmodel: ")

    return refusal


def test_evaluate_prints_what_python_returns(run):
    printed = json.loads(run(f"evaluate {HA} {LOAD} --json"))
    expected = sm.evaluate(
        sm.Cluster.splitwise("HA", prompt=25, token=26),
        sm.Workload.azure("conv", rate_rps=70.0),
        model="bloom-176b",
    )
    assert printed.keys() == {*expected.data_vars, "attrs"}
    assert printed["status"] == expected["status"].item()
    assert printed["machines"] == 51.0
    for p in (50, 90, 99):
        assert printed["ttft_s"][str(p)] == expected["ttft_s"].sel(percentile=p).item()
    assert printed["utilisation"].keys() == {"prompt", "token", "mixed"}
    assert printed["attrs"]["model"] == "bloom-176b"


def test_evaluate_without_json_is_a_table_with_units(run):
    printed = run(f"evaluate {HA} {LOAD}")
    assert "status ok: the cluster serves the load in a steady state" in printed
    assert all(word in printed for word in ("ttft_s", "P99", "requests/s", "utilisation.prompt"))


def test_infinities_are_null_in_json(run):
    printed = json.loads(run(f"evaluate {HA} --workload conv --rate 7e5 --model bloom-176b --json"))
    assert printed["status"] == sm.Status.UNSTABLE
    assert printed["ttft_s"] == {"50": None, "90": None, "99": None}


@pytest.mark.parametrize(
    ("cluster", "machines"),
    [
        ("--design baseline-A100 --machines 70 --batching continuous", 70),
        ("--design baseline-DGX-H200 --machines 10", 10),
        (
            "--design DGX-H100+DGX-A100 --prompt 3 --token 4 --no-mixed-pool --kv-transfer none",
            7,
        ),
    ],
)
def test_clusters_of_every_kind(run, cluster, machines):
    printed = json.loads(run(f"evaluate {cluster} {LOAD} --json"))
    assert printed["machines"] == machines


def test_power_caps(run):
    both, token = (
        json.loads(run(f"evaluate {HA} {option} {LOAD} --json"))["power_provisioned_w"]
        for option in ("--power-cap 0.5", "--power-cap 1 --token-power-cap 0.5")
    )
    assert both == pytest.approx(0.5 * (25 * 10200 + 26 * 10200 * 24.8 / 44), rel=1e-6)
    assert token == pytest.approx(25 * 10200 + 0.5 * 26 * 10200 * 24.8 / 44, rel=1e-6)


def test_files_of_one_s_own(run, tmp_path):
    machine, model = tmp_path / "mine.toml", tmp_path / "config.json"
    requests, slo = tmp_path / "requests.csv", tmp_path / "slo.toml"
    machine.write_text(
        '[machines.M]\ngpu = "H200"\nlike = "DGX-H100"\ngpus = 8\ninfiniband_gb_per_s = 400\n'
        "price_sets.default = { usd_per_hour = 10, power_provisioned_w = 1000 }\n"
    )
    model.write_text(
        json.dumps(
            {
                "model_type": "llama",
                "hidden_size": 4096,
                "intermediate_size": 14336,
                "num_attention_heads": 32,
                "num_hidden_layers": 32,
                "num_key_value_heads": 8,
                "vocab_size": 128256,
                "torch_dtype": "bfloat16",
            }
        )
    )
    requests.write_text("prompt_tokens,output_tokens,arrival_s\n900,20,0\n1000,10,1\n800,5,2\n")
    slo.write_text("[ttft_s]\n99 = 60.0\n")
    printed = json.loads(
        run(
            f"evaluate --design {machine}+{machine}#M --prompt 2 --token 3 "
            f"--workload {requests} --model {model} --slo {slo} --json"
        )
    )
    assert printed["cost_usd_per_hour"] == 50.0
    assert printed["throughput_rps"] == 1.0
    assert printed["slo_met"] == 1


def test_sweep_writes_what_python_returns(run, tmp_path):
    spec, out = tmp_path / "spec.toml", tmp_path / "out.nc"
    example = run("sweep --example")
    spec.write_text(example.replace("step = 5", "step = 30"))
    summary = json.loads(run(f"sweep {spec} --out {out} --json"))
    with xr.open_dataset(out, engine="h5netcdf") as written:
        assert summary["configurations"] == written.sizes["config"] > 50
        assert summary["slo_met"] == written["slo_met"].sum()
        assert summary["status_ok"] == (written["status"] == sm.Status.OK).sum()
        assert set(written["design"].values) == {*sm.DESIGN_NAMES}
    assert "slo_met" in run(f"sweep {spec} --out {out}")


PROVISION = "provision --model bloom-176b --workload conv --designs AA baseline-A100"
BUDGET = "--maximise rate --budget-machines 40"


def test_provision_ranks_designs(run, tmp_path):
    out, figure = tmp_path / "best.nc", tmp_path / "space.png"
    printed = json.loads(run(f"{PROVISION} {BUDGET} --out {out} --figure {figure} --json"))
    assert set(printed["design"].values()) == {"AA", "baseline-A100"}
    assert printed["machines"] == {"1": 40.0, "2": 40.0}
    assert printed["highest_rate_rps"]["1"] > printed["highest_rate_rps"]["2"] > 0.0
    assert printed["ttft_s"]["1"].keys() == {"50", "90", "99"}
    assert not any(name.startswith("map_") for name in printed)
    assert figure.stat().st_size > 0
    with xr.open_dataset(out, engine="h5netcdf") as written:
        assert written["highest_rate_rps"].values.tolist() == [
            printed["highest_rate_rps"][rank] for rank in ("1", "2")
        ]
        assert "map_highest_rate_rps" in written
    table = run(f"{PROVISION} {BUDGET}")
    assert all(name in table for name in ("highest_rate_rps", "rate_vs_baseline_a100", "AA"))


def test_provision_keeps_a_margin(run):
    line = f"{PROVISION} --rate 9 --minimise machines --json"
    for option, margin in (("", 0.05), ("--margin 0.3", 0.3)):
        printed = json.loads(run(f"{line} {option}"))
        assert printed["attrs"]["margin"] == margin
        assert set(printed["rate_rps"].values()) == {9.0}
        assert min(printed["highest_rate_rps"].values()) >= (1.0 + margin) * 9.0


def test_provision_under_every_semantics(run, tmp_path, monkeypatch):
    def compare_semantics(load, **question):
        assert "semantics" not in question
        found = sm.provision(load, **question)
        return xr.DataTree.from_dict({"physical": found, "splitwise-sim": found})

    monkeypatch.setattr(provision, "compare_semantics", compare_semantics)
    out, figure = tmp_path / "best.nc", tmp_path / "space.png"
    line = f"{PROVISION} {BUDGET} --compare-semantics"
    assert run(f"{line} --out {out} --figure {figure}").count("highest_rate_rps") == 2
    assert figure.stat().st_size > 0
    with xr.open_datatree(out, engine="h5netcdf") as written:
        assert set(written.children) == {"physical", "splitwise-sim"}
    assert json.loads(run(f"{line} --json")).keys() == {"physical", "splitwise-sim"}


def test_max_rate(run, monkeypatch):
    def max_rate(cluster, *, workload, **question):
        assert (cluster.machines, workload.label.value) == (51.0, "conv")
        assert question["slo"] is None
        return 12.3 + question.get("seeds", 0)

    monkeypatch.setattr(cli_max_rate, "max_rate", max_rate)
    line = f"max-rate {HA} --workload conv --model bloom-176b --slo none"
    assert run(line) == "12.3 requests/s\n"
    assert json.loads(run(f"{line} --json")) == {"highest_rate_rps": 12.3}
    assert run(f"{line} --tier simulate --seeds 1") == "13.3 requests/s\n"


@pytest.mark.parametrize(
    ("what", "name"),
    [("machines", "DGX-H100"), ("models", "bloom-176b"), ("workloads", "conv")],
)
def test_list(run, what, name):
    assert name in run(f"list {what}")
    assert name in json.loads(run(f"list {what} --json"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        # Unknown names, with the nearest valid ones.
        (f"evaluate --design HHcp --prompt 1 --token 1 {LOAD}", "design: unknown name 'HHcp'; did"),
        (f"evaluate --design baseline-A10 --machines 1 {LOAD}", "DGX-A100"),
        (f"evaluate {HA} --workload conv --rate 70 --model bloom", "did you mean bloom-176b"),
        (f"evaluate {HA} --workload cnv --rate 70 --model bloom-176b", "did you mean conv"),
        (f"evaluate {HA} {LOAD} --semantics physics", "did you mean physical"),
        (f"evaluate {HA} {LOAD} --timing rofline", "did you mean roofline"),
        (f"evaluate {HA} {LOAD} --timing=", "timing: unknown name ''; valid names: interpolated"),
        (f"evaluate {HA} {LOAD} --stack graph", "did you mean graphs"),
        (f"evaluate {HA} {LOAD} --tier analytics", "did you mean analytic"),
        (f"evaluate {HA} {LOAD} --slo splitwice", "did you mean splitwise"),
        (f"evaluate {HA} {LOAD} --reference DGX-A10", "DGX-A100"),
        (f"evaluate {HA} {LOAD} --kv-transfer serial", "did you mean serialized"),
        (f"evaluate {HA} {LOAD} --price-set street", "price"),
        ("list machine", "did you mean machines"),
        # Counts and rates.
        (f"evaluate --design HA --prompt 0 --token 26 {LOAD}", "prompt: 0 is outside"),
        (f"evaluate --design baseline-A100 --machines -3 {LOAD}", "machines: -3 is outside"),
        (
            f"evaluate --design HA --prompt many --token 26 {LOAD}",
            '--prompt: unable to convert "many"',
        ),
        (f"evaluate {HA} --workload conv --rate 0 --model bloom-176b", "rate_rps: 0 is outside"),
        (f"evaluate {HA} --workload conv --rate nan --model bloom-176b", "rate_rps: nan is out"),
        (f"evaluate {HA} --workload conv --model bloom-176b", "rate_rps: must be given"),
        (f"evaluate {HA} {LOAD} --power-cap 1.2", "power_cap of the prompt pool: 1.2 is outside"),
        (f"evaluate {HA} {LOAD} --tensor-parallel 2.5", "tensor_parallel: 2.5 is not a whole"),
        # Machines that cannot hold the model.
        (f"evaluate {HA} {LOAD} --tensor-parallel 2", "bloom-176b does not fit DGX-H100"),
        (f"evaluate {HA} {LOAD} --tensor-parallel 5", "does not divide the 112 query heads"),
        (f"evaluate {HA} {LOAD} --tensor-parallel 16", "asks for 16 GPUs, but DGX-H100 has 8"),
        # Options that a cluster lacks or needs.
        (f"evaluate --design HA --token 26 {LOAD}", "prompt: HA needs it, for example --prompt 25"),
        (f"evaluate {HA} --batching request {LOAD}", "batching: HA has no such option"),
        (f"evaluate --design baseline-A100 --prompt 3 {LOAD}", "prompt: baseline-A100 has no such"),
        # What the parser of the command line finds.
        (f"evaluate {HA} {LOAD} --tming roofline", "--tming"),
        (f"evaluate {HA} --workload conv --rate 70", "--model requires an argument"),
        (f"evaluate {HA} --workload conv --rate fast --model bloom-176b", '"fast"'),
        ("evalute", "Did you mean"),
        # Goals and budgets.
        (f"{PROVISION} --rate 9", "give one of them"),
        (f"{PROVISION} --rate 9 --minimise costs", "did you mean cost"),
        (f"{PROVISION} --minimise cost", "rate_rps: must be given"),
        (f"{PROVISION} --rate 9 --minimise cost --margin -1", "margin: -1 is outside"),
        (f"{PROVISION} --maximise rate", "budget_power_w"),
        (f"{PROVISION} --maximise rate --budget-power-w 0", "budget_power_w: 0 is outside"),
        (f"{PROVISION} --maximise rate --budget-machines nan", "budget_machines: nan is outside"),
        (f"{PROVISION} HHcp {BUDGET}", "did you mean HHcap"),
        (f"max-rate {HA} --workload cnv --model bloom-176b", "did you mean conv"),
        # Extras that are not installed.
        ("calibrate", "pip install 'splitmodel[calibration]'"),
        ("study figure12 --json", "pip install 'splitmodel[studies]'"),
    ],
)
def test_bad_words(refusal, monkeypatch, line, said):
    monkeypatch.setattr(plugins, "entry_points", lambda **_: EntryPoints())
    assert said in refusal(line)


CONFIG = '{"model_type": "mamba", "hidden_size": 4096}'


@pytest.mark.parametrize(
    ("option", "name", "text", "said"),
    [
        ("--workload", "requests.csv", "", "is empty"),
        ("--workload", "requests.csv", "prompt_tokens,output_tokens\n1,2,3\n", "row 1 has 3"),
        ("--workload", "requests.csv", "prompt,output\n1,2\n", "no column prompt_tokens"),
        ("--workload", "requests.csv", "prompt_tokens,output_tokens\n-5,2\n", "'-5' in row 1"),
        ("--workload", "requests.csv", "prompt_tokens,output_tokens\n5,nan\n", "'nan' in row 1"),
        ("--workload", "absent.csv", None, "cannot be read"),
        ("--model", "mine.toml", "[models.X\n", "malformed TOML"),
        ("--model", "config.json", "{", "malformed JSON"),
        ("--model", "config.json", CONFIG, "mamba"),
        ("--reference", "mine.toml", "machines = 3\n", "machines"),
        ("--slo", "slo.toml", "[ttft_s]\n95 = 1.0\n", "95"),
    ],
)
def test_bad_files(refusal, tmp_path, option, name, text, said):
    path: Path = tmp_path / name
    if text is not None:
        path.write_text(text)
    given = {"--workload": "conv", "--model": "bloom-176b"} | {option: str(path)}
    line = " ".join(f"{key} {value}" for key, value in given.items())
    message = refusal(f"evaluate {HA} --rate 70 {line}")
    assert name in message and said in message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "bloom-176"}, "did you mean bloom-176b"),
        ({"prompt": -1}, "prompt: -1 is outside"),
        ({"token": None}, "token: missing"),
        ({"workload": None}, "workload: missing"),
        ({"sematics": "physical"}, "did you mean semantics"),
        ({"rate_rps": None}, "rate_rps: must be given"),
    ],
)
def test_bad_sweeps(refusal, tmp_path, given, said):
    spec = tmp_path / "spec.toml"
    fine = {"model": "bloom-176b", "workload": "conv", "design": "AA", "prompt": 9, "token": 9}
    asked = fine | {"rate_rps": 2.0} | given
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in asked.items() if value)
    spec.write_text("".join(lines))
    assert said in refusal(f"sweep {spec} --out {tmp_path / 'out.nc'}")


def test_sweep_needs_a_spec_and_a_file_that_can_be_written(refusal, tmp_path, monkeypatch):
    spec = tmp_path / "spec.toml"
    spec.write_text(sweep.EXAMPLE)
    monkeypatch.setattr(sweep, "sweep", lambda *_, **__: pytest.fail("work before the check"))
    assert "--example prints one" in refusal("sweep")
    assert "out: missing" in refusal(f"sweep {spec}")
    assert "neither a .toml" in refusal(f"sweep {tmp_path / 'spec.txt'} --out out.nc")
    assert "cannot be written" in refusal(f"sweep {spec} --out {tmp_path / 'absent' / 'out.nc'}")
    assert "is a folder" in refusal(f"sweep {spec} --out {tmp_path}")


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--out", "absent/best.nc", "cannot be written"),
        ("--figure", "absent/space.png", "cannot be written"),
        ("--figure", "space.xyz", "not a known kind of figure"),
    ],
)
def test_provision_looks_at_files_before_work(refusal, tmp_path, monkeypatch, option, name, said):
    monkeypatch.setattr(provision, "provision", lambda *_, **__: pytest.fail("work first"))
    assert said in refusal(f"{PROVISION} {BUDGET} {option} {tmp_path / name}")


def test_a_plugin_gets_the_words_after_its_name(run, monkeypatch):
    monkeypatch.setattr(
        plugins,
        "entry_points",
        lambda **_: EntryPoints([EntryPoint("study", "test_cli:STUDY", "splitmodel.commands")]),
    )
    monkeypatch.setitem(sys.modules, "test_cli", sys.modules[__name__])
    assert run("study figure12 --points 3") == "figure12 3\n"


def _study(name: str, *, points: int) -> None:
    print(name, points)


STUDY = App(name="study")
STUDY.default(_study)


def program(line: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own."""
    command = [sys.executable, "-c", "from splitmodel.cli import main; exit(main())", *line.split()]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_process_prints_help_without_error():
    done = program("evaluate --help")
    assert done.returncode == 0 and "splitmodel evaluate --design HA" in done.stdout


def test_process_exits_with_2_and_one_line():
    done = program(f"evaluate --design ZZ --prompt 1 --token 1 {LOAD}")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("splitmodel: design: unknown name 'ZZ'")
    assert done.stderr.count("\n") == 1


def test_import_leaves_plots_alone():
    code = "import splitmodel.cli, sys; exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
