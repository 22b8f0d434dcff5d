"""The parts of a sweep, done by whoever there is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import Any

import jax

from splitmodel.sweep.job import Job
from splitmodel.sweep.reduction import Partial

Span = tuple[int, int]
"""First block of a part, and the one after its last."""
_MOST = 64
"""Blocks of a part: seconds of work at worst, so that little is lost when somebody stops."""
_FEWEST, _PARTS = 4, 64
"""Blocks of a part at least, as each takes a while beside its blocks, and parts of a sweep that has
more than so many blocks: all workers have something to do, two of them in any sweep."""


def spans_of(blocks: int) -> list[Span]:
    """The parts of a sweep; they depend on its size alone, so that any machine can resume it."""
    parts = max(2, min(blocks // _FEWEST, _PARTS), -(-blocks // _MOST))
    size = -(-blocks // parts)
    return [(start, min(start + size, blocks)) for start in range(0, blocks, size)]


@contextmanager
def workers(client: Any = None) -> Iterator[tuple[Executor, int]]:
    """An executor, and how many parts it should have at a time.

    Args:
        client: `distributed.Client` of a Dask cluster; by default the devices of this process.
    """
    if client is not None:
        yield client.get_executor(pure=False), 2 * max(1, sum(client.nthreads().values()))
        return
    devices = jax.local_device_count()
    alone = jax.default_backend() == "cpu" and devices == 1
    # One CPU device takes a core per call. Others want the next call while they finish the last.
    threads = (os.cpu_count() or 1) if alone else 2 * devices
    with ThreadPoolExecutor(threads) as pool:
        yield pool, threads + 1


def stream(
    job: Job,
    spans: Iterable[Span],
    executor: Executor,
    at_once: int,
    keep: Callable[[Span, dict[str, Partial]], None],
) -> None:
    """Do parts of a sweep in any order, and keep each result as it comes.

    When somebody interrupts, what is under way is finished and kept; then the interrupt goes on.
    """
    left = iter(spans)
    waiting: dict[Future[dict[str, Partial]], Span] = {}
    try:
        while True:
            for span in islice(left, at_once - len(waiting)):
                waiting[executor.submit(job.run, *span)] = span
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                result = future.result()
                keep(waiting.pop(future), result)
    except KeyboardInterrupt:
        for future, span in waiting.items():
            if not future.cancel() and future.exception() is None:
                keep(span, future.result())
        raise
    finally:
        for future in waiting:
            future.cancel()
