"""All configurations of a space by number, none of them written out.

A *kind* fixes hardware and request sizes; within it only counts and rate vary, along *dials*: lists
of values that turn like the wheels of an odometer, the last one fastest. Numbers run through the
kinds in turn, in *blocks* of equal size that hold one kind each. The last block of a kind is
padded, so that a number is always block × rows of a block + lane.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from splitmodel.errors import InputError
from splitmodel.specs.cluster import Cluster
from splitmodel.sweep.packing import pack

COLUMNS = ("prompt", "token", "mixed", "rate_rps")
"""What varies within a kind: machines by pool, and the arrival rate [requests/s]."""
DIALS = len(COLUMNS)
ROWS_ON_CPU = 3072
"""Configurations of a block: as many as leave their cells in cache, as a block costs something
beside them."""
_ROWS_ELSEWHERE = 131072
"""Accelerators need many to be filled."""
_MOST = 2**62
"""Numbers of a lattice, so that 64 bits also hold the sum of two."""


def block_rows() -> int:
    """Configurations of a block on this machine."""
    return ROWS_ON_CPU if jax.default_backend() == "cpu" else _ROWS_ELSEWHERE


class Kind(NamedTuple):
    """Hardware and request sizes, with the counts and rates that go with them."""

    labels: Mapping[str, Any]
    """Values of the axes that make it."""
    cluster: Cluster
    """Its own counts play no role."""
    load: Any
    """The workload, of which the rate plays no role; any pytree where rows are only counted."""
    dials: Sequence[Mapping[str, np.ndarray]]
    """Values by column; the columns of one dial have equal lengths and vary together. All dials
    together have every column once."""

    @property
    def lengths(self) -> list[int]:
        """Values of each dial."""
        return [len(next(iter(dial.values()))) for dial in self.dials]

    @property
    def size(self) -> int:
        """Configurations."""
        return math.prod(self.lengths)


class Blocks(NamedTuple):
    """Some blocks as the device takes them, a row of each array for each block."""

    cluster: np.ndarray
    """Packed clusters."""
    load: np.ndarray
    """Packed workloads."""
    place: np.ndarray
    """Whole numbers, shape [blocks, 4 * 4 + 1]: first position on each dial, lengths of the dials,
    the dial of each column, where the column's values begin, and the number of lanes in use."""


class Lattice:
    """Kinds of hardware, cut to blocks."""

    def __init__(self, kinds: Sequence[Kind], block_rows: int):
        """Lattice of at least one kind.

        Raises:
            InputError: for more configurations than can be numbered.
        """
        self.block_rows = block_rows
        self.size = sum(kind.size for kind in kinds)
        """Configurations."""
        counts = [-(-kind.size // block_rows) for kind in kinds]
        self.blocks = sum(counts)
        if self.blocks * block_rows > _MOST:
            raise InputError(
                f"space: {self.size:.3g} configurations; at most {_MOST:.1g} can be numbered"
            )
        self._first = np.cumsum([0, *counts], dtype=np.int64)
        self._sizes = np.array([kind.size for kind in kinds], np.int64)
        self._cluster = np.stack([pack(kind.cluster) for kind in kinds])
        loads = {id(kind.load): kind.load for kind in kinds}
        self._load = np.stack([pack(load) for load in loads.values()])
        self._load_row = np.array([list(loads).index(id(kind.load)) for kind in kinds])
        layouts, self.values = _layouts(kinds)
        self._lengths, self._layout = layouts[:, :DIALS].astype(np.int64), layouts
        structures: dict[Any, tuple[Cluster, Any]] = {}
        families = []
        for kind in kinds:
            structure = jax.tree.structure(kind.cluster)
            structures.setdefault(structure, (kind.cluster, kind.load))
            families.append(list(structures).index(structure))
        self._family = np.array(families)
        self.likes = list(structures.values())
        """One cluster and workload of each tree structure."""

    @property
    def tables(self) -> tuple[np.ndarray, ...]:
        """All that tells one lattice from another of the same structure."""
        return self._cluster, self._load, self._load_row, self._layout, self._sizes, self.values

    def rows_in(self, start: int, stop: int) -> int:
        """Configurations in the blocks from `start` to `stop`."""
        return int(self.describe(np.arange(start, stop)).place[:, -1].sum())

    def runs(self, start: int, stop: int, most: int) -> list[np.ndarray]:
        """Blocks from `start` to `stop` by at most `most` that share a tree structure."""
        blocks = np.arange(start, stop)
        family = self._family[self._kind(blocks)]
        alike = np.split(blocks, np.flatnonzero(np.diff(family)) + 1)
        return [piece[i : i + most] for piece in alike for i in range(0, len(piece), most)]

    def family(self, blocks: np.ndarray) -> int:
        """Position in `likes` of the structure that the first of some blocks has."""
        return int(self._family[self._kind(blocks[:1])[0]])

    def describe(self, blocks: np.ndarray) -> Blocks:
        """What the device makes these blocks from."""
        kind = self._kind(blocks)
        first = (blocks - self._first[kind]) * self.block_rows
        used = np.minimum(self._sizes[kind] - first, self.block_rows)
        position = _positions(first, self._lengths[kind])
        place = np.column_stack([position, self._layout[kind], used]).astype(np.int32)
        return Blocks(self._cluster[kind], self._load[self._load_row[kind]], place)

    def kind_of(self, numbers: np.ndarray) -> np.ndarray:
        """Position of their kind, for configurations by number."""
        return self._kind(numbers // self.block_rows)

    def columns(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Value of every column, in float64, for configurations by number."""
        kind = self.kind_of(numbers)
        own = numbers - self._first[kind] * self.block_rows
        position = _positions(own, self._lengths[kind])
        dial, offset = np.split(self._layout[kind, DIALS:], 2, axis=1)
        found = self.values[offset + np.take_along_axis(position, dial, axis=1)]
        return dict(zip(COLUMNS, found.T, strict=True))

    def _kind(self, blocks: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._first, blocks, side="right") - 1


def _layouts(kinds: Sequence[Kind]) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of the dials, dial and offset of each column, for each kind; and all values."""
    offsets: dict[bytes, int] = {}
    values: list[np.ndarray] = []
    layouts = []
    total = 0
    for kind in kinds:
        lengths = kind.lengths + [1] * (DIALS - len(kind.dials))
        at: dict[str, tuple[int, int]] = {}
        for index, dial in enumerate(kind.dials):
            for name, column in dial.items():
                column = np.asarray(column, float)
                if (key := column.tobytes()) not in offsets:
                    offsets[key] = total
                    values.append(column)
                    total += len(column)
                at[name] = (index, offsets[key])
        dials, places = zip(*(at[name] for name in COLUMNS), strict=True)
        layouts.append([*lengths, *dials, *places])
    # Spaces of many sizes share one compilation when the values have one of few lengths.
    values.append(np.zeros((1 << max(total - 1, 1023).bit_length()) - total))
    return np.array(layouts), np.concatenate(values)


def _positions(numbers: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Position on each dial, shape [numbers, dials]; the last dial turns fastest."""
    positions = np.empty((len(numbers), DIALS), np.int64)
    for dial in reversed(range(DIALS)):
        numbers, positions[:, dial] = np.divmod(numbers, lengths[:, dial])
    return positions
