"""Size, estimated time and a bar."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm

from splitmodel.sweep.job import Job
from splitmodel.sweep.stream import Span


class Progress:
    """What a person sees of a sweep, on standard error."""

    def __init__(self, job: Job, show: bool):
        """Bar over the configurations of a job, if it is to be shown."""
        self._job, self._show = job, show
        self._earlier = 0
        self._bar: tqdm | None = None

    def __enter__(self) -> Progress:
        """Begin to measure the rate."""
        lattice = self._job.lattice
        if self._show:
            print(f"{lattice.size:,} configurations in {lattice.blocks:,} blocks", file=sys.stderr)
        self._bar = tqdm(
            total=lattice.size,
            initial=self._earlier,
            unit="config",
            unit_scale=True,
            smoothing=0.05,
            disable=not self._show,
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
        if not self._show or self._bar is None:
            return
        self._job.run(0, 1)
        start = time.perf_counter()
        self._job.run(0, 1)
        block_s = time.perf_counter() - start
        lattice = self._job.lattice
        left = lattice.size - self._earlier
        rate = lattice.rows_in(0, 1) / block_s * at_once
        tqdm.write(f"about {tqdm.format_interval(left / rate)} at {rate:,.0f}/s", file=sys.stderr)
