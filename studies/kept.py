"""Answers that several studies need, each computed once and kept beside the results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from splitmodel.results import complete_file
from splitmodel_studies.study import code_hash

_known: dict[str, Any] = {}
_asked: dict[str, Lock] = {}


def known(question: Any, answer: Callable[[], Any]) -> Any:
    """The answer to a question, computed unless it is known; both as JSON can hold them.

    Where studies run side by side, who asks second waits for the answer of the first.
    """
    key = json.dumps(question)
    with _asked.setdefault(key, Lock()):
        if key not in _known:
            _known[key] = answer()
        return _known[key]


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Take answers from a folder as long as the code is the same, and leave all known ones there.

    Raises:
        InputError: where the folder cannot be written.
    """
    path = folder / "known.json"
    fingerprint = code_hash(*sorted(Path(__file__).parent.glob("*.py")))
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["fingerprint"] == fingerprint:
            _known.update(kept["known"])
    before = len(_known)
    yield
    if len(_known) > before:
        with complete_file(path) as unfinished:
            kept = {"fingerprint": fingerprint, "known": dict(_known)}
            unfinished.write_text(json.dumps(kept, indent=1), encoding="utf-8")
