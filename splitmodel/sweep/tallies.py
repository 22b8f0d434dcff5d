"""How many configurations there are of which sort."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from splitmodel.codes import Status
from splitmodel.errors import InputError
from splitmodel.sweep.atlas import Atlas
from splitmodel.sweep.expression import Expression
from splitmodel.sweep.reduction import Block, Partial, Tally
from splitmodel.units import unit_of

_COUNTED = {"units": "1", "long_name": "configurations"}


@dataclass(frozen=True)
class Count(Tally):
    """How many configurations fulfil a condition."""

    where: str = "slo_met"
    """A condition over outputs and axes; see `Expression`."""

    def names(self, field: str, allowed: Collection[str]) -> frozenset[str]:
        """Those of the condition."""
        return Expression.of(f"{field}.where", self.where, allowed).names

    def of_block(self, block: Block, width: int) -> dict[str, Any]:
        """One number."""
        return {"count": jnp.sum(block.kept & Expression("where", self.where).holds(block.columns))}

    def dataset(self, partial: Partial, atlas: Atlas) -> xr.Dataset:
        """Variable `configurations`, a scalar."""
        attrs = _COUNTED | {"where": self.where}
        return xr.Dataset({"configurations": ((), partial["count"], attrs)}, attrs=atlas.attrs)


@dataclass(frozen=True)
class Histogram(Tally):
    """How the values of a variable are distributed.

    A bin holds its lower edge and, except for the last, not its upper one. Edges are rounded to the
    precision of the sweep.
    """

    name: str
    """A variable such as `ttft_s[99]`, or any expression."""
    edges: Any
    """Ascending."""
    where: str = "slo_met"
    """Which configurations count."""

    def __post_init__(self) -> None:
        """Edges of any kind become numbers that ascend."""
        try:
            edges = tuple(float(each) for each in self.edges)
        except (TypeError, ValueError) as problem:
            raise InputError(f"edges: {self.edges!r} are not numbers") from problem
        if len(edges) < 2 or not np.all(np.diff(edges) > 0.0):
            raise InputError(f"edges: {edges} must be at least two numbers that ascend")
        object.__setattr__(self, "edges", edges)

    def names(self, field: str, allowed: Collection[str]) -> frozenset[str]:
        """Those of the value and the condition."""
        value = Expression.of(f"{field}.name", self.name, allowed)
        return value.names | Expression.of(f"{field}.where", self.where, allowed).names

    def of_block(self, block: Block, width: int) -> dict[str, Any]:
        """How many lie below each edge, and up to the last one."""
        value = jnp.asarray(Expression("name", self.name)(block.columns), float)
        kept = block.kept & Expression("where", self.where).holds(block.columns)
        edges = jnp.asarray(self.edges, value.dtype)
        below = jnp.sum(kept[None] & (value[None] < edges[:, None]), axis=1)
        return {
            "below": below,
            "up_to_last": jnp.sum(kept & (value <= edges[-1])),
            "all": jnp.sum(kept),
        }

    def dataset(self, partial: Partial, atlas: Atlas) -> xr.Dataset:
        """Variable `configurations` over `bin`, with how many are outside of all bins."""
        below = np.append(partial["below"][:-1], partial["up_to_last"])
        unit = {"units": unit_of(self.name.partition("[")[0])}
        outside = {"below": int(below[0]), "above": int(partial["all"] - below[-1])}
        attrs = _COUNTED | {"name": self.name, "where": self.where, **outside}
        return xr.Dataset(
            {"configurations": ("bin", np.diff(below), attrs)},
            coords={
                "low": ("bin", np.array(self.edges[:-1]), unit),
                "high": ("bin", np.array(self.edges[1:]), unit),
            },
            attrs=atlas.attrs,
        )


@dataclass(frozen=True)
class Fates(Tally):
    """How many configurations there are, and how many of each status; part of every sweep."""

    def names(self, field: str, allowed: Collection[str]) -> frozenset[str]:
        """The status."""
        return frozenset({"status"})

    def of_block(self, block: Block, width: int) -> dict[str, Any]:
        """All, and those of each status."""
        status = block.outputs["status"]
        codes = jnp.asarray([float(each) for each in Status], status.dtype)
        each = jnp.sum(block.kept[None] & (status[None] == codes[:, None]), axis=1)
        return {"configurations": jnp.sum(block.kept), "status": each}

    def attrs(self, partial: Partial) -> dict[str, int]:
        """As attributes of results."""
        named = zip(Status, partial["status"], strict=True)
        return {
            "configurations": int(partial["configurations"]),
            **{f"status_{each.name.lower()}": int(count) for each, count in named},
        }

    def dataset(self, partial: Partial, atlas: Atlas) -> xr.Dataset:
        """Attributes alone."""
        return xr.Dataset(attrs=self.attrs(partial))
