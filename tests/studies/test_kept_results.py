"""Results are written once, and used only as long as the code is the same."""

import json
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from splitmodel_studies import kept
from splitmodel_studies.store import result_of, stored


def test_a_result_is_computed_once(double, tmp_path):
    first = result_of(double, tmp_path)
    assert first.equals(result_of(double, tmp_path).drop_attrs())
    assert double.runs == 1
    assert (tmp_path / "double" / "figure-dark.svg").is_file()


def test_other_code_makes_it_stale(double, tmp_path):
    result_of(double, tmp_path)
    double.fingerprint = "other code"
    assert stored(double, tmp_path) is None
    result_of(double, tmp_path)
    assert double.runs == 2


def test_it_can_be_asked_for_again(double, tmp_path):
    result_of(double, tmp_path)
    result_of(double, tmp_path, again=True)
    assert double.runs == 2


def test_without_a_folder_nothing_is_written(double, tmp_path):
    result_of(double, None)
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_a_page_follows_its_claims(double, tmp_path):
    result_of(double, tmp_path)
    page = tmp_path / "double" / "index.md"
    page.write_text("old")
    (double.folder / "about.md").write_text("")
    result_of(double, tmp_path)
    assert "A board" in page.read_text()


@pytest.fixture
def forgetful(monkeypatch):
    monkeypatch.setattr(kept, "_known", {})


def test_answers_are_kept_between_processes(forgetful, monkeypatch, tmp_path):
    with kept.kept_in(tmp_path):
        assert kept.known(["a", 1], lambda: 3.0) == 3.0
    monkeypatch.setattr(kept, "_known", {})
    with kept.kept_in(tmp_path):
        assert kept.known(["a", 1], lambda: 4.0) == 3.0


def test_answers_of_other_code_are_forgotten(forgetful, tmp_path):
    kept_before = {"fingerprint": "other code", "known": {'["a", 1]': 3.0}}
    (tmp_path / "known.json").write_text(json.dumps(kept_before))
    with kept.kept_in(tmp_path):
        assert kept.known(["a", 1], lambda: 4.0) == 4.0


def test_who_asks_second_waits(forgetful):
    def slowly():
        calls.append(1)
        sleep(0.05)
        return 3.0

    calls = []
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: kept.known(["a", 1], slowly), range(4)))
    assert answers == [3.0] * 4 and len(calls) == 1
