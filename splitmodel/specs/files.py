"""Reads TOML and JSON files, turning every failure into an error that names the file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from splitmodel.errors import InputError
from splitmodel.specs.entry import Entry

PARSERS = {".toml": tomllib.loads, ".json": json.loads}


def read_file(path: Path) -> Entry:
    """The top table of a .toml or .json file.

    Raises:
        InputError: if the file cannot be read, is malformed or neither TOML nor JSON by its name.
    """
    if path.suffix not in PARSERS:
        raise InputError(f"{path}: is neither a .toml nor a .json file")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: cannot be read: {problem}") from problem
    try:
        table = PARSERS[path.suffix](text)
    except (ValueError, RecursionError) as problem:  # the errors of both parsers are ValueErrors
        raise InputError(f"{path}: malformed {path.suffix[1:].upper()}: {problem}") from problem
    return Entry(table, str(path))
