"""`splitmodel calibrate`, from a CSV of one's own to metrics under its calibration."""

import json
import tomllib

import numpy as np
import pandas as pd
import pytest

import splitmodel as sm
from splitmodel.cli import main
from splitmodel.errors import InputError
from splitmodel.parameters.calibration import read_calibration

SLOWER = 1.25


def profile(machine="DGX-H200", phases=("prefill", "decode")):
    """Times of a stack that is SLOWER than the published one."""
    rows = []
    for phase, sizes in (
        ("prefill", [(1, 128), (1, 512), (1, 2048), (1, 8192), (8, 512)]),
        ("decode", [(1, 200), (1, 2000), (4, 600), (16, 600), (64, 600)]),
    ):
        batch, tokens = np.array(sizes).T
        name = "prompt_tokens" if phase == "prefill" else "context_tokens"
        times_s = SLOWER * np.asarray(
            sm.iteration_time(
                phase,
                model="llama3-70b",
                machine=machine,
                batch_size=batch,
                stack="splitwise-2023",
                **{name: tokens},
            )
        )
        rows += [(phase, "llama3-70b", 8, *row) for row in zip(batch, tokens, times_s, strict=True)]
    names = ["phase", "model", "tensor_parallel", "batch_size", "tokens", "time_s"]
    table = pd.DataFrame(rows, columns=names)
    return table[table.phase.isin(phases)]


def run(capsys, *words):
    code = main([*map(str, words)])
    return code, capsys.readouterr()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    profile().to_csv(folder / "own.csv", index=False)
    return folder / "own.csv", folder / "own.toml"


@pytest.fixture(scope="module")
def calibrated(files):
    data, out = files
    assert not main(["calibrate", "--data", str(data), "--machine", "DGX-H200", "--out", str(out)])
    return out


def decode(**options):
    return sm.iteration_time(
        "decode",
        model="llama3-70b",
        machine="DGX-H200",
        batch_size=16,
        context_tokens=600,
        **options,
    )


def test_the_file_has_values_uncertainty_and_provenance(calibrated, files):
    text = calibrated.read_text(encoding="utf-8")
    table = tomllib.loads(text)
    assert table["provenance"]["data"] == str(files[0])
    assert table["provenance"]["rows"] == 10
    assert table["provenance"]["mean_errors"]["decode"] < 0.02
    assert "mostly prior" in text
    found = read_calibration(calibrated)
    assert list(found.gpus) == ["H200"]
    assert list(found.hosts) == ["DGX-H200"]
    assert np.linalg.eigvalsh(found.covariance).min() > -1e-8


def test_iteration_times_are_those_measured(calibrated):
    measured_s = SLOWER * decode(stack="splitwise-2023")
    assert float(decode(calibration=calibrated)) == pytest.approx(float(measured_s), rel=0.03)


def test_a_calibration_narrows_the_interval(calibrated):
    prior = decode(interval=0.9, stack="splitwise-2023")
    own = decode(interval=0.9, calibration=calibrated)
    assert prior.attrs["calibration"] == "prior"
    assert own.attrs["calibration"] == "fitted"
    widths = [
        float(each.iteration_time_s_high / each.iteration_time_s_low) for each in (prior, own)
    ]
    assert widths[1] < 1.2 < widths[0]


def test_evaluate_uses_it(calibrated, capsys):
    words = "evaluate --design baseline-DGX-H200 --machines 4 --workload conv --rate 2"
    words += " --model llama3-70b --json --stack splitwise-2023"
    own = f"{words} --calibration {calibrated} --interval 0.9"
    code, printed = run(capsys, *own.split())
    assert not code
    result = json.loads(printed.out)
    assert result["attrs"]["calibration"] == "fitted"
    assert result["attrs"]["calibration_file"] == str(calibrated)
    assert result["tbt_s_low"]["50"] < result["tbt_s"]["50"] < result["tbt_s_high"]["50"]
    code, printed = run(capsys, *words.split())
    assert json.loads(printed.out)["attrs"]["calibration"] == "prior"


def test_a_calibration_of_other_machines_is_refused(calibrated):
    with pytest.raises(InputError, match="holds DGX-H200, but none of DGX-A100"):
        sm.iteration_time(
            "prefill",
            model="llama2-70b",
            machine="DGX-A100",
            prompt_tokens=100,
            calibration=calibrated,
        )


def test_one_phase_alone_is_said_to_leave_the_other_at_its_prior(tmp_path, capsys):
    data = tmp_path / "decode.csv"
    profile(phases=("decode",)).to_csv(data, index=False)
    code, printed = run(
        capsys, "calibrate", "--data", data, "--machine", "DGX-H200", "--out",
        tmp_path / "out.toml", "--starts", 1, "--json",
    )  # fmt: skip
    assert not code
    notes = json.loads(printed.out)["notes"]
    assert "no prefill rows: prefill rests on the prior alone" in notes
    undetermined = next(note for note in notes if note.startswith("mostly prior"))
    assert "H200.gemm_compute" in undetermined
    assert "DGX-H200.prefill_layer_s" in undetermined
    assert "DGX-H200.decode_layer_s" not in undetermined


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--machine": "DGX-H300"}, "DGX-H300"),
        ({"--out": "/nowhere/out.toml"}, "cannot be written"),
        ({"--solver": "newton"}, "newton"),
        ({"--data": "nowhere.csv"}, "cannot be read"),
    ],
)
def test_bad_options_exit_with_2_and_one_line(files, tmp_path, capsys, options, message):
    given = {"--data": files[0], "--machine": "DGX-H200", "--out": tmp_path / "out.toml"} | options
    code, printed = run(capsys, "calibrate", *(word for pair in given.items() for word in pair))
    assert code == 2
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1
