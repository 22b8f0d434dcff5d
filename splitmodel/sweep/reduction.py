"""What a sweep tells of its configurations without keeping all of them."""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from splitmodel.sweep.atlas import Atlas
from splitmodel.units import Flag, Scalar

Partial = dict[str, np.ndarray]
"""What is known of some blocks: arrays by name, for a file or a message."""
Columns = Mapping[str, Scalar]
"""Outputs and axes by name."""


class Block(NamedTuple):
    """A block as it was evaluated; arrays have shape [rows, own dimension]."""

    outputs: Mapping[str, Scalar]
    """Outputs by name."""
    axes: Mapping[str, Scalar]
    """Counts and rate by name."""
    kept: Flag
    """Which configurations belong to the space."""

    @property
    def columns(self) -> Columns:
        """Outputs and axes."""
        return {**self.axes, **self.outputs}


class TooNarrow(Exception):
    """A block holds more than there is room for; the message is how many."""


class Reduction(abc.ABC):
    """A commutative monoid: partial results of blocks, and how two sets of them make one.

    The device finds those of each block. The host merges them exactly, in whole numbers or by
    comparison alone, so that neither order nor grouping changes a bit.
    """

    @abc.abstractmethod
    def names(self, field: str, allowed: Collection[str]) -> frozenset[str]:
        """Columns that are needed.

        Raises:
            InputError: naming `field` and what is wrong, such as a name that is not `allowed`.
        """

    @abc.abstractmethod
    def of_block(self, block: Block, width: int) -> dict[str, Any]:
        """Partial result of one block, traceable; `width` is how many rows there is room for."""

    @abc.abstractmethod
    def collect(self, found: Mapping[str, np.ndarray], first: np.ndarray) -> Partial:
        """Partial result of several blocks out of those of each.

        Args:
            found: what `of_block` returned, with a leading axis over blocks.
            first: number of the first configuration of each block.

        Raises:
            TooNarrow: if `width` was too small.
        """

    @abc.abstractmethod
    def merge(self, parts: Sequence[Partial]) -> Partial:
        """Partial result of all of them together; at least one."""

    @abc.abstractmethod
    def dataset(self, partial: Partial, atlas: Atlas) -> xr.Dataset:
        """The result."""


class Tally(Reduction):
    """Whole numbers that add up."""

    def collect(self, found: Mapping[str, np.ndarray], first: np.ndarray) -> Partial:
        """Sums over blocks."""
        return {name: np.asarray(each.sum(axis=0, dtype=np.int64)) for name, each in found.items()}

    def merge(self, parts: Sequence[Partial]) -> Partial:
        """Sums."""
        return {
            name: np.asarray(np.sum([part[name] for part in parts], axis=0)) for name in parts[0]
        }
