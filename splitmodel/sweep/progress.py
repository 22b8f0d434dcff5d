"""Size, estimated time and a bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

from splitmodel.sweep.job import Job
from splitmodel.sweep.stream import Span


class Progress:
    """What a person sees of a sweep."""

    def __init__(self, job: Job, show: bool | Callable[[str], None]):
        """Lines and a bar on standard error, only lines to a function, or nothing."""
        self._job = job
        self._bar_shown = show is True
        self._say = show if callable(show) else _on_standard_error if show else None
        self._earlier = 0
        self._bar: tqdm | None = None

    def __enter__(self) -> Progress:
        """Begin to measure the rate."""
        lattice = self._job.lattice
        if self._say:
            self._say(f"{lattice.size:,} configurations in {lattice.blocks:,} blocks")
        self._bar = tqdm(
            total=lattice.size,
            initial=self._earlier,
            unit="config",
            unit_scale=True,
            smoothing=0.05,
            disable=not self._bar_shown,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def update(self, span: Span) -> None:
        """Count a part as done; before the bar is entered, as done earlier."""
        rows = self._job.lattice.rows_in(*span)
        if self._bar is None:
            self._earlier += rows
        else:
            self._bar.update(rows)

    def estimate(self, at_once: int) -> None:
        """Compile, measure one block, and say how long the rest will take."""
        if self._say is None or self._bar is None:
            return
        self._job.run(0, 1)
        start = time.perf_counter()
        self._job.run(0, 1)
        block_s = time.perf_counter() - start
        lattice = self._job.lattice
        left = lattice.size - self._earlier
        rate = lattice.rows_in(0, 1) / block_s * at_once
        self._say(f"about {tqdm.format_interval(left / rate)} at {rate:,.0f} configurations/s")


def _on_standard_error(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
