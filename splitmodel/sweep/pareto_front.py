"""The configurations that no other one beats in everything, found while a sweep streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import xarray as xr

from splitmodel.errors import InputError
from splitmodel.sweep.atlas import Atlas
from splitmodel.sweep.front import non_dominated
from splitmodel.sweep.reduction import Partial
from splitmodel.sweep.selection import Selection
from splitmodel.units import Flag, Scalar

_STRONG = 16
"""Configurations of a block that strike out others: more leave less to the host, and cost more."""


@dataclass(frozen=True)
class Pareto(Selection):
    """The Pareto front; as `splitmodel.pareto` of the full table, without the table.

    Configurations with equal objectives are kept together.
    """

    minimise: str | Sequence[str] = ("cost_usd_per_hour",)
    """Variables, axes or expressions of which less is better."""
    maximise: str | Sequence[str] = ("throughput_rps",)
    """Those of which more is better."""
    where: str = "slo_met"
    """Which configurations count."""
    most: int = 1_000_000
    """Configurations that the front may have; a larger one ends the sweep, for memory's sake."""

    def __post_init__(self) -> None:
        """One name alone is a list of one."""
        for field in ("minimise", "maximise"):
            names = getattr(self, field)
            object.__setattr__(self, field, (names,) if isinstance(names, str) else tuple(names))

    @property
    def objectives(self) -> tuple[tuple[str, bool], ...]:
        """Those to minimise, then those to maximise."""
        return (*((text, False) for text in self.minimise), *((t, True) for t in self.maximise))

    def chosen(self, keys: Scalar, kept: Flag) -> Flag:
        """All that none of a few strong configurations of the block dominates.

        Those are the least by weighted sums of the objectives. What they leave holds the front of
        the block, and little more; the host finds the front itself.
        """
        low = jnp.min(jnp.where(kept[:, None], keys, jnp.inf), axis=0)
        high = jnp.max(jnp.where(kept[:, None], keys, -jnp.inf), axis=0)
        scaled = (keys - low[None]) / jnp.where(high > low, high - low, 1.0)[None]
        weights = jnp.asarray(_weights(len(self.objectives)), keys.dtype)
        sums = jnp.sum(scaled[:, None, :] * weights[None], axis=-1)
        strong = keys[jnp.argmin(jnp.where(kept[:, None], sums, jnp.inf), axis=0)]
        each, other = keys[:, None, :], strong[None]
        dominated = (each >= other).all(axis=-1) & (each > other).any(axis=-1)
        return kept & ~dominated.any(axis=1)

    def best(self, keys: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """The front, in the order of numbers."""
        if len(keys) == 0:
            return np.arange(0)
        front = non_dominated(keys)
        if len(front) > self.most:
            raise InputError(
                f"most: the front has {len(front):,} configurations and more, most = {self.most:,}"
                "; give fewer objectives, a stricter where, or a larger most"
            )
        return front[np.argsort(numbers[front])]

    def dataset(self, partial: Partial, atlas: Atlas) -> xr.Dataset:
        """Outputs over `config`, in the order of the space, with axes as coordinates."""
        found = atlas.dataset(partial, "config")
        found.attrs |= {
            "minimise": ", ".join(self.minimise),
            "maximise": ", ".join(self.maximise),
            "where": self.where,
        }
        return found


def _weights(objectives: int) -> np.ndarray:
    """Weights of the sums, shape [sums, objectives]: evenly spread at random, but always alike."""
    return np.random.default_rng(0).dirichlet(np.ones(objectives), size=_STRONG)
