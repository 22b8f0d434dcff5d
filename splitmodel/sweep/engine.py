"""A pure function of (cluster, load) over many configurations, without a Python loop over them.

Configurations are grouped by hardware: within a group only machine counts and arrival rate vary.
Whatever depends on the hardware alone is then computed once for a whole chunk of the group, and
every branch between kinds of cluster stays a branch. All chunks have one size and all clusters
one tree structure, so that one compilation serves them all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Lock
from typing import Any, NamedTuple

import jax
import numpy as np

from splitmodel.compilation import quick_jit
from splitmodel.errors import check_range
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.workload import Workload
from splitmodel.sweep.rows import Rows

CHUNK = 1024
"""Configurations per call of the compiled function: few enough that their cells stay in cache."""


class Group(NamedTuple):
    """A kind of hardware with its configurations; the cluster's own counts play no role."""

    cluster: Cluster
    rows: Rows


class _Chunk(NamedTuple):
    """Configurations of one group, of which those beyond `used` are padding."""

    group: int
    rows: Rows
    used: int


def run_rows(
    function: Callable[[Cluster, Workload], Any],
    load: Workload,
    groups: Sequence[Group],
    *,
    chunk: int = CHUNK,
    quick: bool = False,
) -> Any:
    """Value of `function` for every configuration.

    Args:
        function: pure; a pytree (an `equinox.Module` with `__call__`), so that its own arrays
            are arguments of the compilation and not part of it.
        load: request sizes; its rate is replaced by that of each row.
        groups: configurations by hardware, at least one.
        chunk: configurations per call of the compiled function, which is compiled for each size.
        quick: compile faster and run slower, for few configurations; see `quick_jit`.

    Returns:
        Pytree of numpy arrays with a leading axis over all rows, in the order of the groups.

    Raises:
        InputError: for a count or rate out of range, before any work.
    """
    for group in groups:
        _check(group.rows)
    chunks = list(_chunks(groups, chunk))
    compiled = _quickly_compiled.jitted if quick else _compiled
    function, load, clusters = as_arrays((function, load, [group.cluster for group in groups]))

    def run(part: _Chunk) -> Any:
        values = compiled(function, clusters[part.group], load, part.rows)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[: part.used], values)

    _trace_in_turn(compiled, function, clusters[0], load, chunks[0].rows)
    # The first call compiles, which must not happen in two threads at once.
    first = run(chunks[0])
    # Compiled code holds no lock of Python's, so threads share the cores.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        answers = chain([first], threads.map(run, chunks[1:]))
        return jax.tree.map(lambda *parts: np.concatenate(parts), *answers)


def _trace_in_turn(compiled: Any, *args: Any) -> None:
    """Trace what a call with these arguments will compile, unless that is done.

    Python lets only one thread trace at a time, while any number may compile. Where several ask at
    once, such as for two semantics, each traces as a whole while the one before it compiles.
    """
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(args)]
    key = (compiled, jax.tree.structure(args), *shapes, jax.config.read("jax_enable_x64"))
    with _tracing:
        if key not in _traced:
            compiled.lower(*args)
            _traced.add(key)


_tracing = Lock()
_traced: set[Any] = set()


def _run(
    function: Callable[[Cluster, Workload], Any], cluster: Cluster, load: Workload, rows: Rows
) -> Any:
    def one(row: Rows) -> Any:
        return function(row.of(cluster), load.with_rate(row.rate_rps))

    return jax.vmap(one)(rows)


_compiled = jax.jit(_run)
_quickly_compiled = quick_jit(_run)


def _chunks(groups: Sequence[Group], size: int) -> Iterator[_Chunk]:
    """All groups cut to `size` rows; the last chunk of a group repeats its last row."""
    for index, (_, rows) in enumerate(groups):
        count = len(rows.rate_rps)
        for start in range(0, count, size):
            taken = np.minimum(np.arange(start, start + size), count - 1)
            yield _Chunk(index, Rows(*(each[taken] for each in rows)), min(size, count - start))


def _check(rows: Rows) -> None:
    for name in ("prompt", "token", "mixed"):
        check_range(name, getattr(rows, name), open_low=False)
    check_range("machines", rows.machines)
    check_range("rate_rps", rows.rate_rps)
