"""Metrics of a design for whatever counts and rates a search comes to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.cluster.metrics import Metrics
from splitmodel.compilation import quick_jit
from splitmodel.evaluate import Question
from splitmodel.programs.kept_trace import kept
from splitmodel.provision.candidate import Candidate
from splitmodel.specs.workload import Workload
from splitmodel.sweep.kernel import of_rows
from splitmodel.sweep.packing import Structure, pack
from splitmodel.sweep.rows import Rows

CHUNK = 32
"""Configurations per call of the compiled function: a search asks for few at a time."""


class Asked(NamedTuple):
    """A question about a load and a candidate, answered for many counts and rates.

    All of a search, whatever it asks, shares one compilation, which is a quick one.
    """

    question: Question
    load: Workload
    candidate: Candidate

    def __call__(
        self,
        first: np.ndarray | float,
        second: np.ndarray | float,
        rate_rps: np.ndarray | float,
        percentiles: bool = False,
    ) -> Metrics:
        """Metrics as numpy arrays, with the shape of `rate_rps` before their own.

        Args:
            first: counts, of a shape that broadcasts to that of `rate_rps`.
            second: likewise.
            rate_rps: arrival rates [requests/s].
            percentiles: whether they are wanted; whether limits hold is told without them, too.
        """
        shape = np.shape(rate_rps)
        flat = (np.broadcast_to(each, shape).ravel() for each in (first, second, rate_rps))
        question = replace(self.question, percentiles=float(percentiles))
        given = (question, self.candidate.cluster, self.load)
        compiled = _ready(*map(Structure.of, given))
        packed = [jnp.asarray(pack(each), dtype=float) for each in given]
        rows = self.candidate.rows(*flat)
        count = len(rows.rate_rps)

        def run(chunk: Rows) -> Metrics:
            return jax.tree.map(np.asarray, compiled(*packed, chunk))

        # Compiled code holds no lock of Python's, so threads share the cores.
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            parts = list(threads.map(run, _chunks(rows)))

        def whole(*leaves: np.ndarray) -> np.ndarray:
            return np.concatenate(leaves)[:count].reshape((*shape, *leaves[0].shape[1:]))

        return jax.tree.map(whole, *parts)


def _chunks(rows: Rows) -> Iterator[Rows]:
    """Rows cut to equal size; the last chunk repeats the last row."""
    count = len(rows.rate_rps)
    for start in range(0, count, CHUNK):
        taken = np.minimum(np.arange(start, start + CHUNK), count - 1)
        yield Rows(*(jnp.asarray(each[taken], dtype=float) for each in rows))


def _ready(*structures: Structure) -> Any:
    """The compiled function for these structures of question, cluster and load.

    Python lets only one thread trace at a time, while any number may compile. Where several ask at
    once, such as for two semantics, each traces as a whole while the one before it compiles; and
    threads that ask for the same wait for the one that compiles it.
    """
    x64 = bool(jax.config.read("jax_enable_x64"))
    with _tracing:
        _, compiling = _traced(structures, x64)
    with compiling:
        return _compiled(structures, x64)


@cache
def _traced(structures: tuple[Structure, ...], x64: bool) -> tuple[Any, Lock]:
    dtype = np.float64 if x64 else np.float32
    packed = [jax.ShapeDtypeStruct((each.size,), dtype) for each in structures]
    rows = Rows(*[jax.ShapeDtypeStruct((CHUNK,), dtype)] * len(Rows._fields))
    function = kept(of_rows(*structures), returns=Metrics)
    return quick_jit(function).jitted.lower(*packed, rows), Lock()


@cache
def _compiled(structures: tuple[Structure, ...], x64: bool) -> Any:
    return _traced(structures, x64)[0].compile()


_tracing = Lock()
