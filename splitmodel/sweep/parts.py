"""Partial results as bytes, for files and messages."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from splitmodel.sweep.reduction import Partial


def to_bytes(parts: Mapping[str, Partial]) -> bytes:
    """Partial results by reduction, as an .npz archive, which has a checksum of every array."""
    named = {f"{name}/{key}": each for name, part in parts.items() for key, each in part.items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **named)
    return buffer.getvalue()


def from_bytes(data: bytes) -> dict[str, Partial]:
    """Partial results by reduction.

    Raises:
        ValueError, KeyError, OSError or zipfile.BadZipFile: for bytes that are damaged.
    """
    parts: dict[str, Partial] = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        for named in archive.files:
            name, _, key = named.partition("/")
            parts.setdefault(name, {})[key] = archive[named]
    return parts
