"""Results in a folder, each written whole and only used as long as the code is the same."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import xarray as xr

from splitmodel.results import save
from splitmodel_studies.kept import kept_in
from splitmodel_studies.page import write_page
from splitmodel_studies.study import Study

_FINGERPRINT = "fingerprint"
_drawing = Lock()


def stored(study: Study, folder: Path) -> xr.Dataset | None:
    """The result in a folder; None where there is none, or the code has changed since."""
    path = folder / study.name / "result.nc"
    if not path.is_file():
        return None
    with xr.open_dataset(path, engine="h5netcdf") as found:
        result = found.load()
    return result if result.attrs.get(_FINGERPRINT) == study.fingerprint else None


def result_of(study: Study, folder: Path | None, *, again: bool = False) -> xr.Dataset:
    """A study's result, computed unless it is in a folder, and written there.

    Args:
        study: the study.
        folder: where results are kept; None for nowhere.
        again: compute it even if it is there.

    Raises:
        InputError: where the folder cannot be written.
    """
    if folder is None:
        return study.run()
    result = None if again else stored(study, folder)
    own = folder / study.name
    own.mkdir(parents=True, exist_ok=True)
    if result is None:
        with kept_in(folder):
            result = study.run().assign_attrs({_FINGERPRINT: study.fingerprint})
        save(result, own / "result.nc")
    # The settings of a figure's theme are those of the whole process.
    with _drawing:
        if not _page_is_current(study, own):
            write_page(study, result, own)
    return result


def _page_is_current(study: Study, own: Path) -> bool:
    """Whether the page is there and newer than all that it is made of."""
    page = own / "index.md"
    sources = [own / "result.nc", study.folder / "claim.toml", study.folder / "about.md"]
    written = page.stat().st_mtime_ns if page.is_file() else 0
    return all(source.stat().st_mtime_ns < written for source in sources)
