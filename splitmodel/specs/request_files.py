"""Reads requests from CSV files: the library's own columns, or those of the Azure traces."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

from splitmodel.errors import InputError
from splitmodel.specs.requests import Requests, read_column

AZURE_NAMES = {
    "ContextTokens": "prompt_tokens",
    "GeneratedTokens": "output_tokens",
    "TIMESTAMP": "arrival_s",
}
REQUIRED = ("prompt_tokens", "output_tokens")


def read_requests(path: str | Path) -> Requests:
    """Requests of a CSV file.

    Columns are prompt_tokens, output_tokens and, if there, arrival_s and weight; or the names of
    the Azure traces: ContextTokens, GeneratedTokens, TIMESTAMP. Others are ignored, and so are
    lines that start with "#".

    Raises:
        InputError: if the file cannot be read, is empty, lacks a column or has a bad row.
    """
    columns = _read_columns(Path(path))
    named = {AZURE_NAMES.get(name, name): column for name, column in columns.items()}
    for name in REQUIRED:
        if name not in named:
            raise InputError(
                f"{path}: has no column {name}; it needs prompt_tokens and output_tokens "
                f"(or ContextTokens and GeneratedTokens), and has {', '.join(columns)}"
            )
    arrival_s = named.get("arrival_s")
    if "TIMESTAMP" in columns:
        arrival_s = read_column(f"{path}: TIMESTAMP", arrival_s, low=0.0, parse=_epoch_s)
    return Requests.checked(
        named["prompt_tokens"],
        named["output_tokens"],
        named.get("weight"),
        arrival_s,
        where=f"{path}: ",
    )


def _read_columns(path: Path) -> dict[str, list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.reader((line for line in lines if not line.startswith("#")), strict=True)
            rows = [row for row in table if row]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise InputError(f"{path}: cannot be read as CSV: {problem}") from problem
    if len(rows) < 2:
        raise InputError(f"{path}: is empty; it needs a line of column names and a row of data")
    header = [name.strip() for name in rows[0]]
    for row, fields in enumerate(rows[1:], start=1):
        if len(fields) != len(header):
            raise InputError(
                f"{path}: row {row} has {len(fields)} fields, the header has {len(header)}"
            )
    return dict(zip(header, map(list, zip(*rows[1:], strict=True)), strict=True))


def _epoch_s(timestamp: str) -> float:
    """Seconds since 1970; a time without an offset counts as UTC."""
    moment = datetime.fromisoformat(timestamp)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
