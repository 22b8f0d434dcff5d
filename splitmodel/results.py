"""Arrays of metrics as an `xarray.Dataset` with units, definitions and provenance."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from splitmodel.errors import InputError
from splitmodel.variables import COORDINATES, attrs_of, variable_of

_VERSION = version("splitmodel")


def dataset(
    values: Mapping[str, Any],
    dims: tuple[str, ...] = (),
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Metrics as a Dataset.

    Args:
        values: arrays by name of the output variable; leading axes are `dims`, the trailing ones
            those of the variable itself.
        dims: names of the leading axes.
        coords: coordinates of the leading axes.
        attrs: provenance: what was asked.
    """
    variables, used = {}, set()
    for name, value in values.items():
        variable, _ = variable_of(name)
        own = variable.dims
        used.update(own)
        array = np.asarray(value)
        if name in ("slo_met", "holds_in_simulation") or variable.codes is not None:
            array = array.astype(np.int8)
        variables[name] = xr.Variable((*dims, *own), array, attrs_of(name))
    labels = {dim: np.array(COORDINATES[dim]) for dim in COORDINATES if dim in used}
    return xr.Dataset(
        variables,
        coords={**(coords or {}), **labels},
        attrs={"splitmodel_version": _VERSION, **(attrs or {})},
    )


def check_writable(path: str | Path) -> None:
    """Raise InputError unless a file can be written there; call it before long work."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a file to write")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as problem:
        raise InputError(f"{path}: cannot be written: {problem.strerror}") from problem


@contextmanager
def complete_file(path: str | Path) -> Iterator[Path]:
    """Where to write a file so that it appears at `path` only when it is complete.

    Raises:
        InputError: if the file cannot be written.
    """
    check_writable(path)
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        os.replace(unfinished, path)


def save(results: xr.Dataset | xr.DataTree, path: str | Path) -> None:
    """Write results to a NetCDF file, those of a tree as groups.

    Raises:
        InputError: if the file cannot be written.
    """
    with complete_file(path) as unfinished:
        results.to_netcdf(unfinished, engine="h5netcdf")
