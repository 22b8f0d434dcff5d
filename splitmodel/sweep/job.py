"""One sweep as any process can do a part of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from splitmodel.specs.cluster import Cluster
from splitmodel.specs.workload import Workload
from splitmodel.sweep import kernel
from splitmodel.sweep.atlas import OUTPUT
from splitmodel.sweep.expression import Expression
from splitmodel.sweep.lattice import Lattice
from splitmodel.sweep.packing import Structure, pack
from splitmodel.sweep.reduction import Partial, Reduction, TooNarrow
from splitmodel.units import Scalar
from splitmodel.variables import COORDINATES, VARIABLES

BLOCKS = 8
"""Blocks of a device in one call: enough that what a call costs does not matter beside them."""
_WIDTH = 64
"""Rows of a block that a selection has room for at first."""


@dataclass(frozen=True, eq=False)
class Job:
    """What to compute; it can be sent to another process."""

    function: Callable[[Cluster, Workload], dict[str, Scalar]]
    """Pure; a pytree, so that its arrays are arguments of the compilation and not part of it."""
    names: tuple[str, ...]
    """Outputs of the function."""
    lattice: Lattice
    limits: np.ndarray
    """In the order of `generate.LIMITS`, infinite for none."""
    constraints: tuple[Expression, ...]
    reductions: Mapping[str, Reduction]
    x64: bool = field(default_factory=lambda: jax.config.read("jax_enable_x64"))
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells jobs apart."""

    def __hash__(self) -> int:
        return hash(self.token)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self.token == other.token

    def run(self, start: int, stop: int) -> dict[str, Partial]:
        """Partial result of each reduction for the blocks from `start` to `stop`."""
        with jax.enable_x64(self.x64):
            return _engine(self).run(start, stop)

    def nothing(self, rows: int) -> Partial:
        """Outputs of configurations that are not known, as in a partial result."""
        dtype = np.float64 if self.x64 else np.float32
        found = {}
        for name in self.names:
            own = [len(COORDINATES[dim]) for dim in VARIABLES[name].dims]
            found[OUTPUT + name] = np.zeros((rows, *own), dtype)
        return found

    def merge(self, parts: Sequence[Mapping[str, Partial]]) -> dict[str, Partial]:
        """Partial results of all parts together."""
        return {
            name: self.reductions[name].merge([part[name] for part in parts]) for name in parts[0]
        }


class _Engine:
    """A job with its constants on the devices of this process."""

    def __init__(self, job: Job):
        self._job = job
        self._mesh = Mesh(np.array(jax.local_devices()), ("blocks",))
        constants = [pack(job.function), job.lattice.values, job.limits]
        everywhere = NamedSharding(self._mesh, PartitionSpec())
        dtype = np.float64 if job.x64 else np.float32
        self._function, *self._space = jax.device_put(
            [each.astype(dtype) for each in constants], everywhere
        )
        function = Structure.of(job.function)
        self._stages = [
            (
                kernel.generate(self._mesh, cluster, job.lattice.block_rows, job.constraints),
                kernel.evaluate(self._mesh, function, cluster, load),
            )
            for cluster, load in (map(Structure.of, like) for like in job.lattice.likes)
        ]
        self._width = _WIDTH
        self._compiled: set[int] = set()
        self._compiling = Lock()

    def run(self, start: int, stop: int) -> dict[str, Partial]:
        most = BLOCKS * self._mesh.size
        runs = self._job.lattice.runs(start, stop, most)
        return self._job.merge([self._run(blocks) for blocks in runs])

    def _run(self, blocks: np.ndarray) -> dict[str, Partial]:
        family = self._job.lattice.family(blocks)
        if family in self._compiled:
            return self._collected(blocks, *self._begun(blocks, family))
        with self._compiling:  # else each thread would compile on its own
            begun = self._begun(blocks, family)
            self._compiled.add(family)
        return self._collected(blocks, *begun)

    def _begun(self, blocks: np.ndarray, family: int) -> tuple[np.ndarray, tuple[Any, ...], Any]:
        """Where the blocks lie, what is to be reduced, and that reduced; the devices go on."""
        lattice = self._job.lattice
        # Block j goes to device j % devices; what is left of a device's share is empty.
        devices = self._mesh.size
        order = np.arange(len(blocks))
        slots = order % devices * BLOCKS + order // devices
        filled = np.full(devices * BLOCKS, blocks[0])
        filled[slots] = blocks
        described = lattice.describe(filled)
        described.place[np.isin(np.arange(len(filled)), slots, invert=True), -1] = 0
        generate, evaluate = self._stages[family]
        rows, kept = generate(*self._space, described)
        outputs = evaluate(self._function, described, rows, kept)
        return slots, (outputs, rows, kept), self._reduce(outputs, rows, kept)

    def _collected(
        self, blocks: np.ndarray, slots: np.ndarray, whole: tuple[Any, ...], reduced: Any
    ) -> dict[str, Partial]:
        first = blocks * self._job.lattice.block_rows
        while True:
            found = jax.tree.map(lambda leaf: np.asarray(leaf)[slots], reduced)
            try:
                return {
                    name: reduction.collect(found[name], first)
                    for name, reduction in self._job.reductions.items()
                }
            except TooNarrow as needed:
                self._width = 1 << (int(needed.args[0]) - 1).bit_length()
                reduced = self._reduce(*whole)

    def _reduce(self, *whole: Any) -> Any:
        reductions = tuple(self._job.reductions.items())
        return kernel.reduce(self._mesh, reductions, self._width)(*whole)


_made = lru_cache(maxsize=4)(_Engine)
_making = Lock()


def _engine(job: Job) -> _Engine:
    with _making:  # else each of several threads that come first would make one
        return _made(job)
