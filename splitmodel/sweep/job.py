"""One sweep as any process can do a part of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock

import jax
import numpy as np

from splitmodel.specs.cluster import Cluster
from splitmodel.specs.workload import Workload
from splitmodel.sweep.atlas import OUTPUT
from splitmodel.sweep.crew import Crew
from splitmodel.sweep.expression import Expression
from splitmodel.sweep.lattice import Lattice
from splitmodel.sweep.reduction import Partial, Reduction
from splitmodel.units import Scalar
from splitmodel.variables import COORDINATES, VARIABLES


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
            return _crew(self).run(start, stop)

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


_made = lru_cache(maxsize=4)(Crew)
_making = Lock()


def _crew(job: Job) -> Crew:
    with _making:  # else each of several threads that come first would make one
        return _made(job)
