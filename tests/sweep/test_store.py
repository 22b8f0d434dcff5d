"""Sweeps that stop and go on: nothing lost, nothing done twice, and nothing overwritten."""

import errno
import json
import os
import signal
import time
from pathlib import Path

import cheap_sweep
import pytest
from cheap_sweep import REDUCTIONS, digest, run, start

import splitmodel as sm
from splitmodel.sweep import stream
from splitmodel.sweep.job import Job


def parts(store: Path) -> list[Path]:
    return sorted((store / ".sweep" / "parts").glob("*.part"))


@pytest.fixture(scope="module")
def whole() -> str:
    return digest(run())


@pytest.fixture
def computed(monkeypatch) -> list[tuple[int, int]]:
    """Parts that this process computes from now on."""
    spans, once = [], Job.run

    def counted(job: Job, start: int, stop: int) -> dict:
        spans.append((start, stop))
        return once(job, start, stop)

    monkeypatch.setattr(Job, "run", counted)
    return spans


def all_spans() -> list[tuple[int, int]]:
    return stream.spans_of(cheap_sweep.job(REDUCTIONS).lattice.blocks)


def test_a_killed_sweep_goes_on_where_it_was(whole, computed, tmp_path):
    store = tmp_path / "store"
    # The flags of the compiler are those of this process, which goes on with it.
    process = start("alone", store, SLOW_S="0.1", XLA_FLAGS=os.environ["XLA_FLAGS"])
    deadline = time.monotonic() + 60.0
    while len(parts(store)) < 5:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in parts(store)}
    assert 5 <= len(kept) < len(all_spans())
    assert digest(run(store=store, resume=True)) == whole
    assert len(computed) == len(set(computed)) == len(all_spans()) - len(kept)
    assert all(path.stat().st_mtime_ns == kept[path] for path in kept)
    assert len(parts(store)) == len(all_spans())


def test_an_interrupt_keeps_what_is_under_way(whole, computed, monkeypatch, tmp_path):
    store, update = tmp_path / "store", cheap_sweep.module.Progress.update

    def interrupted(bar, span):
        update(bar, span)
        if len(parts(store)) == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cheap_sweep.module.Progress, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(store=store)
    assert 7 <= len(computed) == len(parts(store)) < len(all_spans())
    assert digest(run(store=store, resume=True)) == whole
    assert sorted(computed) == all_spans()


def test_what_is_done_is_not_done_again(whole, computed, tmp_path):
    store = tmp_path / "store"
    run(store=store)
    assert sorted(computed) == all_spans()
    computed.clear()
    assert digest(run(store=store, resume=True)) == whole
    assert not computed


def test_a_store_that_is_there_is_not_overwritten(tmp_path):
    run({"front": sm.Pareto()}, store=tmp_path / "store")
    before = parts(tmp_path / "store")
    with pytest.raises(sm.InputError, match=r"is there already; resume it .*or give another name"):
        run({"front": sm.Pareto()}, store=tmp_path / "store")
    with pytest.raises(sm.InputError, match="is there, but no sweep's"):
        run(store=tmp_path, resume=True)
    assert parts(tmp_path / "store") == before


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("splitmodel_version", 'its splitmodel_version is "other", now it is "0.'),
        ("code", 'its code is "other"'),
        ("space", 'its space is "other", now it is "design = '),
        ("model_limits_and_calibration", "its model_limits_and_calibration is"),
        ("block_rows", "its block_rows is"),
    ],
)
def test_the_store_of_another_sweep_is_refused(field, message, computed, tmp_path):
    store = tmp_path / "store"
    run({"front": sm.Pareto()}, store=store)
    manifest = store / ".sweep" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {field: "other"}))
    before = manifest.read_text(), [path.stat().st_mtime_ns for path in parts(store)]
    computed.clear()
    with pytest.raises(sm.InputError, match=message):
        run({"front": sm.Pareto()}, store=store, resume=True)
    assert (manifest.read_text(), [path.stat().st_mtime_ns for path in parts(store)]) == before
    assert not computed


def test_other_hardware_numbers_are_another_sweep(tmp_path):
    """Such as a machine of a file that was edited, or fitted anew."""
    options = {"store": tmp_path / "store", "resume": True, "client": None, "progress": False}
    reductions = {"front": sm.Pareto()}
    cheap_sweep.compute(cheap_sweep.job(reductions), cheap_sweep.atlas(), **options)
    with pytest.raises(sm.InputError, match="its model_limits_and_calibration is"):
        other = cheap_sweep.job(reductions, scale=4.5)
        cheap_sweep.compute(other, cheap_sweep.atlas(), **options)


@pytest.mark.parametrize("damage", [b"", None], ids=["empty", "a bit flipped"])
def test_a_damaged_part_is_named(damage, whole, tmp_path):
    store = tmp_path / "store"
    run(store=store)
    part = parts(store)[3]
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data if damage is None else damage)
    with pytest.raises(sm.InputError, match=f"{part.name} is damaged .*delete it"):
        run(store=store, resume=True)
    part.unlink()
    assert digest(run(store=store, resume=True)) == whole


def test_a_damaged_manifest_is_named(tmp_path):
    store = tmp_path / "store"
    run({"front": sm.Pareto()}, store=store)
    (store / ".sweep" / "manifest.json").write_text("{")
    with pytest.raises(sm.InputError, match=r"manifest\.json is damaged"):
        run({"front": sm.Pareto()}, store=store, resume=True)


def test_a_full_disk_ends_a_sweep_that_can_be_resumed(whole, monkeypatch, tmp_path):
    store, replace = tmp_path / "store", os.replace

    def full(source, target):
        if len(parts(store)) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(sm.InputError, match=r"cannot be written: No space left .* is kept"):
            run(store=store)
    assert len(parts(store)) == 5
    assert not list(store.rglob(".*.part.*"))
    assert digest(run(store=store, resume=True)) == whole


def test_a_disk_that_is_full_from_the_start_leaves_nothing_behind(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(sm.InputError, match=r"cannot be written: No space left"):
        run(store=tmp_path / "store")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(computed, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(sm.InputError, match=r"store: .* cannot be written: Not a directory"):
        run(store=tmp_path / "file" / "store")
    assert not computed
