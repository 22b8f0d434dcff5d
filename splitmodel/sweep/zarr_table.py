"""Every configuration with every output, on disk in Zarr format."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numcodecs import Zstd

from splitmodel.errors import InputError
from splitmodel.sweep.atlas import Atlas
from splitmodel.sweep.job import Job
from splitmodel.sweep.reduction import Partial
from splitmodel.sweep.store import writing
from splitmodel.sweep.stream import Span

_THERE = "in_space"
"""Variable that tells configurations from what pads the blocks or exceeds a limit."""
_DIM = ("config",)


class ZarrTable:
    """A row for every number of a lattice, a chunk for every part of the sweep.

    A part is written to chunks of its own, so that no two writers ever meet in one.
    """

    def __init__(self, path: Path, job: Job, atlas: Atlas):
        """Table in the folder `path`; `create` it before use."""
        self._path, self._job, self._atlas = path, job, atlas

    def create(self, first: Span) -> None:
        """Make the arrays, unless they are there.

        Args:
            first: the first part; all but the last are as long.
        """
        if (self._path / ".zmetadata").exists():
            return
        block_rows = self._job.lattice.block_rows
        length, chunk = self._job.lattice.blocks * block_rows, (first[1] - first[0]) * block_rows
        example = self._rows({"number": np.zeros(1, int), **self._job.nothing(1)})
        with writing(self._path):
            group = zarr.open_group(self._path, mode="a", zarr_format=2)
            for name, column in example.variables.items():
                own = column.shape[1:] if column.dims[:1] == _DIM else None
                array = group.create_array(
                    str(name),
                    shape=column.shape if own is None else (length, *own),
                    chunks=column.shape or "auto" if own is None else (chunk, *own),
                    dtype=column.dtype,
                    compressors=Zstd(level=1, checksum=True),
                    fill_value=None,
                    attributes={"_ARRAY_DIMENSIONS": [*map(str, column.dims)], **column.attrs},
                    overwrite=True,
                )
                if own is None:
                    array[...] = column.values
            coordinates = " ".join(map(str, example.coords))
            group.attrs.update({**example.attrs, "coordinates": coordinates})
            self._consolidate()

    def write(self, span: Span, partial: Partial) -> None:
        """Write the rows of a part.

        Raises:
            InputError: if that fails, such as for a full disk.
        """
        start, stop = (block * self._job.lattice.block_rows for block in span)
        with writing(self._path):
            group = zarr.open_group(self._path, mode="r+", zarr_format=2)
            for name, column in self._rows(partial).variables.items():
                if column.dims[:1] == _DIM:
                    rows = np.zeros((stop - start, *column.shape[1:]), column.dtype)
                    rows[partial["number"] - start] = column.values
                    array = group[str(name)]
                    assert isinstance(array, zarr.Array)
                    # A chunk of zeros is written, too: one that is missing has been lost.
                    array.with_config({"write_empty_chunks": True})[start:stop] = rows

    def finish(self, attrs: Mapping[str, Any]) -> None:
        """Add provenance, and check that nothing is missing.

        Raises:
            InputError: if chunks are missing.
        """
        with writing(self._path):
            group = zarr.open_consolidated(self._path, mode="r+", zarr_format=2)
            for name, array in group.arrays():
                if array.nchunks_initialized < array.nchunks:
                    missing = array.nchunks - array.nchunks_initialized
                    raise InputError(
                        f"store: {self._path} is damaged: {missing} chunks of {name} are missing; "
                        "give another name"
                    )
            zarr.open_group(self._path, mode="r+", zarr_format=2).attrs.update(attrs)
            self._consolidate()

    def open(self) -> xr.Dataset:
        """The table over `config`, read when it is used."""
        found = xr.open_zarr(self._path, chunks=None, consolidated=True)
        there = found[_THERE].values
        found = found.drop_vars(_THERE)
        return found if there.all() else found.isel(config=np.flatnonzero(there))

    def _rows(self, partial: Partial) -> xr.Dataset:
        rows = self._atlas.dataset(partial, *_DIM)
        return rows.assign({_THERE: (_DIM, np.ones(rows.sizes[_DIM[0]], np.int8))})

    def _consolidate(self) -> None:
        """Gather the metadata in one file, by which a table is opened."""
        with warnings.catch_warnings():
            # The folder of the sweep is no part of the table.
            warnings.filterwarnings("ignore", "Object at .sweep is not recognized")
            zarr.consolidate_metadata(self._path, zarr_format=2)
