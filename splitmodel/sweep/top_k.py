"""The best configurations by one objective."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from splitmodel.errors import InputError
from splitmodel.sweep.atlas import Atlas
from splitmodel.sweep.reduction import Partial
from splitmodel.sweep.selection import Selection
from splitmodel.units import Flag, Scalar


@dataclass(frozen=True)
class TopK(Selection):
    """The `k` configurations with the least of a quantity, or the most."""

    by: str
    """A variable, an axis or an expression of them, such as `ttft_s[99]`."""
    k: int
    where: str = "slo_met"
    """Which configurations count."""
    largest: bool = False
    """Whether more is better."""

    def __post_init__(self) -> None:
        """A count is a whole number of at least one."""
        if not isinstance(self.k, int) or isinstance(self.k, bool) or self.k < 1:
            raise InputError(f"k: {self.k!r} is not a whole number of at least 1")

    @property
    def objectives(self) -> tuple[tuple[str, bool], ...]:
        """The one."""
        return ((self.by, self.largest),)

    def chosen(self, keys: Scalar, kept: Flag) -> Flag:
        """All below the k-th least key, and as many of those equal to it as there is room for."""
        key = jnp.where(kept, keys[:, 0], jnp.inf)
        rows = min(self.k, key.shape[0])
        last = -jax.lax.top_k(-key, rows)[0][-1]
        below, equal = kept & (key < last), kept & (key == last)
        return below | (equal & (jnp.cumsum(equal) <= rows - jnp.sum(below)))

    def best(self, keys: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """The first k by key, then by number."""
        return np.lexsort((numbers, keys[:, 0]))[: self.k]

    def dataset(self, partial: Partial, atlas: Atlas) -> xr.Dataset:
        """Outputs over `rank`, the best first, with axes as coordinates."""
        found = atlas.dataset(partial, "rank")
        found.attrs |= {"by": self.by, "largest": str(self.largest), "where": self.where}
        return found.assign_coords(rank=np.arange(1, found.sizes["rank"] + 1))
