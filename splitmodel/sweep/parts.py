"""Partial results as bytes, for files and messages."""

from __future__ import annotations

import io
from collections.abc import Mapping
from hashlib import sha256

import numpy as np

from splitmodel.sweep.reduction import Partial

_CHECKSUM = sha256().digest_size


def to_bytes(parts: Mapping[str, Partial]) -> bytes:
    """Partial results by reduction, as an .npz archive behind its checksum."""
    named = {f"{name}/{key}": each for name, part in parts.items() for key, each in part.items()}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **named)
    data = buffer.getvalue()
    return sha256(data).digest() + data


def from_bytes(data: bytes) -> dict[str, Partial]:
    """Partial results by reduction.

    Raises:
        ValueError: for bytes that are damaged.
    """
    checksum, data = data[:_CHECKSUM], data[_CHECKSUM:]
    if sha256(data).digest() != checksum:
        raise ValueError("its checksum is wrong")
    parts: dict[str, Partial] = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        for named in archive.files:
            name, _, key = named.partition("/")
            parts.setdefault(name, {})[key] = archive[named]
    return parts
