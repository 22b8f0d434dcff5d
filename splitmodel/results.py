"""Arrays of metrics as an `xarray.Dataset` with units, definitions and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from splitmodel.variables import COORDINATES, VARIABLES, attrs_of


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
        own = VARIABLES[name].dims
        used.update(own)
        array = np.asarray(value)
        if name == "slo_met" or VARIABLES[name].codes is not None:
            array = array.astype(np.int8)
        variables[name] = xr.Variable((*dims, *own), array, attrs_of(name))
    labels = {dim: np.array(COORDINATES[dim]) for dim in COORDINATES if dim in used}
    return xr.Dataset(
        variables,
        coords={**(coords or {}), **labels},
        attrs={"splitmodel_version": version("splitmodel"), **(attrs or {})},
    )
