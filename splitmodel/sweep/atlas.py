"""Configurations by number as labelled data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from splitmodel.results import dataset
from splitmodel.sweep.axes import AXES, axis_attrs
from splitmodel.sweep.lattice import Lattice
from splitmodel.variables import VARIABLES

OUTPUT = "output:"
"""Begins the names of outputs in a partial result."""


@dataclass(frozen=True)
class Atlas:
    """What results need beside numbers and outputs."""

    lattice: Lattice
    axes: Mapping[str, tuple[Any, ...]]
    """Values of the axes that were given."""
    labels: tuple[Mapping[str, Any], ...]
    """Of each kind of hardware."""
    is_product: bool
    """Whether all combinations of the axes are configurations."""
    rate_rps: float
    """Arrival rate where it is no axis [requests/s]."""
    attrs: Mapping[str, Any]
    """Provenance."""

    def dataset(self, partial: Mapping[str, np.ndarray], dim: str) -> xr.Dataset:
        """Outputs over one dimension, with the axes as coordinates."""
        return self._labelled(partial, (dim,), self.coords(partial["number"], dim))

    def table(self, partial: Mapping[str, np.ndarray]) -> xr.Dataset:
        """Outputs of all configurations: over the axes of a product, else over `config`."""
        if not self.is_product:
            return self.dataset(partial, "config")
        coords = {
            name: xr.Variable(name, np.array(values), axis_attrs(name))
            for name, values in self.axes.items()
        }
        return self._labelled(partial, tuple(self.axes), coords)

    def coords(self, numbers: np.ndarray, dim: str) -> dict[str, xr.Variable]:
        """Axes of configurations; what a design does not have is 0, empty or false."""
        columns = self.lattice.columns(numbers)
        counts = {name: columns[name].astype(int) for name in ("prompt", "token", "mixed")}
        counts["machines"] = counts["prompt"] + counts["token"] + counts["mixed"]
        kind = self.lattice.kind_of(numbers)
        coords = {}
        for name in self.axes:
            if name == "rate_rps":
                values = columns[name]
            elif name in counts:
                values = counts[name]
            else:
                absent = AXES[name].absent
                values = np.array([labels.get(name, absent) for labels in self.labels])[kind]
            coords[name] = xr.Variable(dim, values, axis_attrs(name))
        return coords

    def _labelled(
        self, partial: Mapping[str, np.ndarray], dims: tuple[str, ...], coords: dict[str, Any]
    ) -> xr.Dataset:
        coords.setdefault("rate_rps", xr.Variable((), self.rate_rps, axis_attrs("rate_rps")))
        shape = [len(self.axes[dim]) if dim in self.axes else -1 for dim in dims]
        values = {
            name: each.reshape(*shape, *each.shape[1:])
            for name in VARIABLES
            # The axis `machines` is the output of that name.
            if (each := partial.get(OUTPUT + name)) is not None and name not in self.axes
        }
        return dataset(values, dims, coords, self.attrs)
