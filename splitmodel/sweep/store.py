"""A folder that remembers which parts of a sweep are done, and with what result.

It holds `.sweep/manifest.json`, which says what is swept, and a file for each finished part. Every
file appears under its name only when it is complete, so that nothing that is there needs doubt:
a part is either done or not begun.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from splitmodel.errors import InputError
from splitmodel.sweep.parts import from_bytes, to_bytes
from splitmodel.sweep.reduction import Partial
from splitmodel.sweep.stream import Span


class Store:
    """The parts of one sweep."""

    def __init__(self, path: str | Path, manifest: Mapping[str, Any]):
        """Store at `path` of the sweep that `manifest` describes; call `begin` first."""
        self.path = Path(path)
        self._manifest = dict(manifest)
        self._file = self.path / ".sweep" / "manifest.json"
        self._parts = self.path / ".sweep" / "parts"

    def begin(self, resume: bool) -> bool:
        """Make the store; or check that one that is there may be gone on with.

        Returns:
            Whether it was there.

        Raises:
            InputError: if the folder is something else, holds another sweep, is damaged or cannot
                be written, or is there although nobody asked to resume. Nothing is changed then.
        """
        if not self.path.exists():
            with writing(self.path):
                self._parts.mkdir(parents=True)
                try:
                    _write(self._file, json.dumps(self._manifest, indent=1).encode())
                except OSError:
                    shutil.rmtree(self.path)  # else it would be in the way of the next attempt
                    raise
            return False
        if not resume:
            raise InputError(
                f"store: {self.path} is there already; resume it (resume=True, --resume), or give "
                "another name"
            )
        found = self._read_manifest()
        for field in {**self._manifest, **found}:
            if found.get(field) != self._manifest.get(field):
                raise InputError(
                    f"store: {self.path} is of another sweep; its {field} is "
                    f"{_short(found.get(field))}, now it is {_short(self._manifest.get(field))}; "
                    "give another name"
                )
        with writing(self.path), tempfile.TemporaryFile(dir=self._parts):
            pass
        return True

    def finished(self) -> Iterator[tuple[Span, dict[str, Partial]]]:
        """Parts that are done.

        Raises:
            InputError: for a file that is damaged.
        """
        for file in sorted(self._parts.glob("*.part")):
            try:
                start, stop = map(int, file.stem.split("-"))
                yield (start, stop), from_bytes(file.read_bytes())
            except (ValueError, OSError) as problem:
                raise InputError(
                    f"store: {file} is damaged ({problem}); delete it, and resuming computes that "
                    "part again"
                ) from problem

    def keep(self, span: Span, parts: Mapping[str, Partial]) -> None:
        """Remember that a part is done.

        Raises:
            InputError: if it cannot be written, such as to a full disk; what is there stays.
        """
        with writing(self.path):
            _write(self._parts / "{:015d}-{:015d}.part".format(*span), to_bytes(parts))

    def _read_manifest(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError as problem:
            raise InputError(
                f"store: {self.path} is there, but no sweep's; give another name"
            ) from problem
        except (OSError, ValueError) as problem:
            raise InputError(
                f"store: {self._file} is damaged ({problem}); give another name"
            ) from problem
        if not isinstance(found, dict):
            raise InputError(f"store: {self._file} is damaged; give another name")
        return found


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn failures to write into errors that say what to do."""
    try:
        yield
    except OSError as problem:
        raise InputError(
            f"store: {path} cannot be written: {problem.strerror or problem}; what is finished is "
            "kept, and can be resumed when that is put right"
        ) from problem


def _write(path: Path, data: bytes) -> None:
    """Write a file that appears when it is complete, and stays even if power fails."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
