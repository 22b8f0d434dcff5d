"""One device at work on a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from splitmodel.sweep import kernel
from splitmodel.sweep.packing import Structure, pack
from splitmodel.sweep.reduction import Partial, TooNarrow

if TYPE_CHECKING:
    from splitmodel.sweep.job import Job

BLOCKS = 8
"""Blocks of one call: enough that what a call costs does not matter beside them."""
_WIDTH = 64
"""Rows of a block that a selection has room for at first."""


class Engine:
    """A job with its constants and programs on one device."""

    def __init__(self, job: Job, device: Any):
        """A job for a `jax.Device`; nothing is compiled yet."""
        self._job, self.device = job, device
        constants = [pack(job.function), job.lattice.values, job.limits]
        dtype = np.float64 if job.x64 else np.float32
        self._function, *self._space = jax.device_put(
            [each.astype(dtype) for each in constants], device
        )
        function = Structure.of(job.function)
        self._stages = [
            (
                kernel.generate(cluster, job.lattice.block_rows, job.constraints),
                kernel.evaluate(function, cluster, load),
            )
            for cluster, load in (map(Structure.of, like) for like in job.lattice.likes)
        ]
        self._width = _WIDTH
        self._compiled: set[int] = set()

    def has(self, family: int) -> bool:
        """Whether the programs for a tree structure of the lattice are compiled."""
        return family in self._compiled

    def compile(self, blocks: np.ndarray) -> None:
        """Compile the programs for the tree structure of some blocks, if they are not."""
        family = self._job.lattice.family(blocks)
        if not self.has(family):
            self._reduced(*self._evaluated(blocks, 0))
            self._compiled.add(family)

    def run(self, blocks: np.ndarray) -> dict[str, Partial]:
        """Partial result of each reduction for at most `BLOCKS` blocks of one tree structure."""
        whole = self._evaluated(blocks, len(blocks))
        first = blocks * self._job.lattice.block_rows
        while True:
            found = jax.tree.map(
                lambda leaf: np.asarray(leaf)[: len(blocks)], self._reduced(*whole)
            )
            try:
                return {
                    name: reduction.collect(found[name], first)
                    for name, reduction in self._job.reductions.items()
                }
            except TooNarrow as needed:
                self._width = 1 << (int(needed.args[0]) - 1).bit_length()

    def _evaluated(self, blocks: np.ndarray, used: int) -> tuple[Any, ...]:
        """Outputs, rows, and which of them count, of so many blocks; the others are empty."""
        lattice = self._job.lattice
        described = lattice.describe(np.resize(blocks, BLOCKS))
        described.place[used:, -1] = 0
        generate, evaluate = self._stages[lattice.family(blocks)]
        rows, kept = generate(*self._space, described)
        return evaluate(self._function, described, rows, kept), rows, kept

    def _reduced(self, *whole: Any) -> Any:
        reductions = tuple(self._job.reductions.items())
        return kernel.reduce(reductions, self._width)(*whole)
