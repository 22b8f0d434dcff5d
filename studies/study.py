"""A study: claims, a run and a figure, found by its entry point."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

import splitmodel
from splitmodel.errors import check_choice
from splitmodel_studies.claim import Claims, read_claims

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUP = "splitmodel.studies"
_SOURCES = ("*.py", "*.toml", "*.csv")


@dataclass(frozen=True)
class Study:
    """One folder of studies."""

    name: str
    package: str

    @cached_property
    def folder(self) -> Path:
        """Where its files are."""
        return Path(str(import_module(self.package).__file__)).parent

    @cached_property
    def claims(self) -> Claims:
        """What was published."""
        return read_claims(self.folder / "claim.toml")

    @property
    def about(self) -> str:
        """Its explanation, with the places of numbers."""
        return (self.folder / "about.md").read_text(encoding="utf-8")

    def run(self) -> xr.Dataset:
        """Compute everything that its claims and its figure need."""
        return import_module(f"{self.package}.run").run()

    def plot(self, result: xr.Dataset) -> Figure:
        """Draw a result of `run`."""
        return import_module(f"{self.package}.run").plot(result)

    @property
    def fingerprint(self) -> str:
        """Hash of the code and data that its result depends on."""
        return code_hash(
            *sorted(Path(__file__).parent.glob("*.py")), *sorted(self.folder.glob("*.py"))
        )


def study_names() -> list[str]:
    """Names of all installed studies, in their order."""
    found = [Study(each.name, each.value) for each in entry_points(group=GROUP)]
    return [each.name for each in sorted(found, key=lambda each: each.claims.order)]


def study(name: str) -> Study:
    """The study of that name.

    Raises:
        InputError: for an unknown name.
    """
    check_choice("study", name, entry_points(group=GROUP).names)
    (found,) = entry_points(group=GROUP, name=name)
    return Study(name, found.value)


def code_hash(*files: Path) -> str:
    """Hash of the library's code and data, and of further files."""
    return _hash(_library_hash().encode(), *(path.read_bytes() for path in files))


@cache
def _library_hash() -> str:
    library = Path(str(splitmodel.__file__)).parent
    return _hash(*(path.read_bytes() for each in _SOURCES for path in sorted(library.rglob(each))))


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
