"""`splitmodel study`."""

import json

import pytest

from splitmodel.cli import main


def run(capsys, words):
    code = main(words.split())
    return code, capsys.readouterr()


def test_json_tells_claims_numbers_and_verdicts(capsys):
    code, said = run(capsys, "study hardware --json")
    claim = json.loads(said.out)["hardware"]["claims"]["hbm_bandwidth_ratio"]
    assert code == 0
    assert claim["published"] == 1.64
    assert claim["allowed"]["low"] < claim["ours"] < claim["allowed"]["high"]
    assert claim["verdict"] == "pass"


def test_json_has_reasons_with_their_numbers(capsys):
    code, said = run(capsys, "study power --json")
    claim = json.loads(said.out)["power"]["claims"]["token_power_rise"]
    assert code == 0 and claim["verdict"] == "expected fail"
    assert claim["reason"] and "{" not in claim["reason"]


def test_out_has_results_pages_and_an_overview(capsys, tmp_path):
    out = tmp_path / "new" / "folder"
    code, said = run(capsys, f"study workloads hardware --out {out}")
    assert code == 0 and "pass" in said.out
    for name in ("hardware", "workloads"):
        assert (out / name / "result.nc").is_file() and (out / name / "index.md").is_file()
    rows = (out / "overview.txt").read_text().splitlines()[2:4]
    assert [row.split("|")[2].split("]")[0] for row in rows] == [
        " [Two generations of GPU",
        " [Sizes of requests",
    ]


@pytest.mark.parametrize(
    "words, told",
    [
        ("study hardwear", "did you mean hardware"),
        ("study", "give names"),
        ("study hardware --all", "give names"),
        ("study hardware --stale", "needs --out"),
    ],
)
def test_errors_are_one_line(capsys, words, told):
    code, said = run(capsys, words)
    assert code == 2
    assert told in said.err and said.err.count("\n") == 1


def test_list_studies(capsys):
    code, said = run(capsys, "list studies --json")
    assert code == 0
    found = json.loads(said.out)
    assert found["power-cap"]["about"] == "What a power cap does to both phases, Figure 9."
