"""From a job to its results: workers, processes, store and progress together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import xarray as xr

from splitmodel.compilation import collecting_seldom
from splitmodel.sweep.atlas import Atlas
from splitmodel.sweep.job import Job
from splitmodel.sweep.manifest import manifest_of
from splitmodel.sweep.processes import gather, share, together
from splitmodel.sweep.progress import Progress
from splitmodel.sweep.reduction import Partial
from splitmodel.sweep.store import Store
from splitmodel.sweep.stream import Span, spans_of, stream, workers
from splitmodel.sweep.table import Table
from splitmodel.sweep.tallies import Fates

RESULT = "result"
"""Name of the one reduction of a sweep that has no names."""
FATES = "counts of each status"
"""Name of the count by status."""
_MERGED = 32
"""Partial results that wait to be merged: many, as merging takes time; not all, as they take
memory."""


class _Parts:
    """Partial results so far."""

    def __init__(self, job: Job):
        self._job = job
        self._parts: list[Mapping[str, Partial]] = []

    def add(self, part: Mapping[str, Partial]) -> None:
        self._parts.append(part)
        if len(self._parts) >= _MERGED:
            self._parts = [self.total()]

    def total(self) -> Mapping[str, Partial]:
        return self._job.merge(self._parts) if self._parts else {}


def compute(
    job: Job,
    atlas: Atlas,
    *,
    store: str | Path | None,
    resume: bool,
    client: Any,
    progress: bool | Callable[[str], None],
) -> xr.Dataset | xr.DataTree:
    """Results of a job; arguments as in `sweep`.

    Raises:
        InputError: for a store of another sweep, or one that cannot be written.
    """
    spans = spans_of(job.lattice.blocks)
    disk = None if store is None else Store(store, manifest_of(job, atlas.attrs))
    stores_table = disk is not None and isinstance(job.reductions.get(RESULT), Table)
    table = _table(disk.path, job, atlas) if disk and stores_table else None
    parts = _Parts(job)
    bar = Progress(job, progress if jax.process_index() == 0 else False)

    def begin() -> None:
        if disk:
            disk.begin(resume)
        if table:
            table.create(spans[0])

    def keep(span: Span, part: dict[str, Partial]) -> None:
        if table:
            table.write(span, part.pop(RESULT))
        if disk:
            disk.keep(span, part)
        parts.add(part)
        bar.update(span)

    together(begin)
    done = set()
    for span, part in disk.finished() if disk else ():
        done.add(span)
        if jax.process_index() == 0:
            parts.add(part)
            bar.update(span)
    together(lambda: None)  # nobody adds parts while another one still looks for those there are
    with bar, collecting_seldom(), workers(client) as (executor, at_once):
        left = share([span for span in spans if span not in done])
        if left and client is None:
            bar.estimate(at_once)
        stream(job, left, executor, at_once, keep)
    total = job.merge([each for each in gather(parts.total()) if each])
    fates = job.reductions[FATES]
    assert isinstance(fates, Fates)
    atlas = replace(atlas, attrs={**atlas.attrs, **fates.attrs(total[FATES])})
    if table:
        together(lambda: table.finish(atlas.attrs))
        return table.open()
    found = {
        name: reduction.dataset(total[name], atlas)
        for name, reduction in job.reductions.items()
        if name != FATES
    }
    if found.keys() == {RESULT}:
        return found[RESULT]
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=atlas.attrs), **found})


def _table(path: Path, job: Job, atlas: Atlas) -> Any:
    # Zarr takes a while to import, for which other sweeps need not wait.
    from splitmodel.sweep.zarr_table import ZarrTable

    return ZarrTable(path, job, atlas)
