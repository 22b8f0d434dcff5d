"""All devices of this process at work on a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import TYPE_CHECKING

import jax
import numpy as np

from splitmodel.sweep.engine import BLOCKS, Engine
from splitmodel.sweep.reduction import Partial

if TYPE_CHECKING:
    from splitmodel.sweep.job import Job

_JOINING = Lock()
"""Held while further devices compile, by one sweep at a time: the next finds what it compiled."""


class Crew:
    """Devices that share out the blocks.

    The first one compiles, and the sweep goes on with it alone. While it has more than enough to
    do, the others compile behind it, one at a time: where JAX's cache serves all devices of a kind,
    as it does for GPUs, each finds the program there, and a sweep that is soon over does not wait.
    """

    def __init__(self, job: Job):
        self._job = job
        self.engines = [Engine(job, device) for device in jax.local_devices()]
        self._calls = dict.fromkeys(self.engines, 0)
        self._choosing, self._beginning = Lock(), Lock()

    def run(self, start: int, stop: int) -> dict[str, Partial]:
        """Partial result of each reduction for the blocks from `start` to `stop`."""
        parts = []
        for blocks in self._job.lattice.runs(start, stop, BLOCKS):
            with self._engine(blocks) as engine:
                parts.append(engine.run(blocks))
        return self._job.merge(parts)

    @contextmanager
    def _engine(self, blocks: np.ndarray) -> Iterator[Engine]:
        """The least busy of the devices that have compiled what some blocks need."""
        family, first = self._job.lattice.family(blocks), self.engines[0]
        if not first.has(family):
            with self._beginning:  # else each of several threads would trace
                first.compile(blocks)
        with self._choosing:
            able = [engine for engine in self.engines if engine.has(family)]
            engine = min(able, key=self._calls.__getitem__)
            self._calls[engine] += 1
        try:
            if self._wanted(family) and _JOINING.acquire(blocking=False):
                Thread(target=self._join, args=(blocks, family)).start()
            yield engine
        finally:
            with self._choosing:
                self._calls[engine] -= 1

    def _wanted(self, family: int) -> Engine | None:
        """The next device to compile a family, where calls already wait for each other."""
        if max(self._calls.values()) > 1:
            return next((each for each in self.engines if not each.has(family)), None)
        return None

    def _join(self, blocks: np.ndarray, family: int) -> None:
        """Let devices compile what some blocks need; the caller holds the lock."""
        try:
            with jax.enable_x64(self._job.x64):
                while engine := self._wanted(family):
                    engine.compile(blocks)
        finally:
            _JOINING.release()
