"""Tables on disk: the same as in memory, by chunk, and resumable."""

import shutil

import cheap_sweep
import numpy as np
import pytest
import xarray as xr
from cheap_sweep import table

import splitmodel as sm


@pytest.fixture(scope="module")
def in_memory() -> xr.Dataset:
    return table()


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> tuple[str, xr.Dataset]:
    path = tmp_path_factory.mktemp("sweep") / "table.zarr"
    return path, table(store=path)


def test_a_stored_table_is_that_in_memory(in_memory, stored):
    _, found = stored
    assert found.variables["ttft_s"].chunks is None and not found["ttft_s"].variable._in_memory
    assert found.sizes["config"] == in_memory.sizes["config"] < cheap_sweep.job({}).lattice.size
    xr.testing.assert_identical(found.load(), in_memory)


def test_anybody_can_open_it(in_memory, stored):
    path, _ = stored
    found = xr.open_zarr(path, chunks=None)
    kept = found.isel(config=np.flatnonzero(found["in_space"])).drop_vars("in_space")
    xr.testing.assert_equal(kept.load(), in_memory)
    assert found.attrs["configurations"] == in_memory.sizes["config"]


def test_a_table_is_resumed(in_memory, stored, tmp_path):
    path = tmp_path / "table.zarr"
    shutil.copytree(stored[0], path)
    for part in sorted((path / ".sweep" / "parts").glob("*.part"))[3:9]:
        part.unlink()
    for chunk in ("3.0", "4.0"):
        (path / "ttft_s" / chunk).write_bytes(b"of a process that was killed")
    xr.testing.assert_identical(table(store=path, resume=True).load(), in_memory)


def test_missing_chunks_are_found(stored, tmp_path):
    path = tmp_path / "table.zarr"
    shutil.copytree(stored[0], path)
    (path / "ttft_s" / "5.0").unlink()
    with pytest.raises(sm.InputError, match=r"1 chunks of ttft_s are missing"):
        table(store=path, resume=True)
