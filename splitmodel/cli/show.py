"""Results on standard output: as JSON for programs, as tables for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

from splitmodel.codes import Status
from splitmodel.variables import VARIABLES


def print_json(value: Any) -> None:
    """Print plain data as JSON; see `plain` for numbers that JSON does not know."""
    print(json.dumps(value, indent=2, allow_nan=False))


def plain(values: Any) -> Any:
    """Numbers, labelled arrays and datasets as data that JSON can hold.

    A dimension becomes an object keyed by its labels. Infinite and undefined numbers become null:
    JSON has neither, and a status other than 0 tells that a latency is infinite.
    """
    match values:
        case xr.Dataset():
            named = {str(name): plain(array) for name, array in values.data_vars.items()}
            return named | {"attrs": {name: plain(value) for name, value in values.attrs.items()}}
        case xr.DataArray(dims=(dim, *_)):
            return {str(values[dim][i].item()): plain(one) for i, one in enumerate(values)}
        case xr.DataArray() | np.generic():
            return plain(values.item())
        case float():
            return values if math.isfinite(values) else None
        case _:
            return values


def print_table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a table; numbers stand to the right, texts to the left."""
    body = [list(row) for row in rows]
    table = Table()
    for name, *column in zip(header, *body, strict=True):
        numeric = any(isinstance(each, int | float) for each in column)
        # Spaces let a long name break over lines.
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left")
    for row in body:
        table.add_row(*map(text, row))
    # What reads from a pipe need not fit the width of a terminal.
    Console(markup=False, width=None if sys.stdout.isatty() else 200).print(table)


def text(value: Any) -> str:
    """A number with four significant digits, large ones as 123.4e6; anything else as it is."""
    if not isinstance(value, int | float):
        return str(value)
    if not 1e4 <= abs(value) < math.inf:
        return f"{value:.4g}"
    if abs(value) < 1e6:
        return f"{value:,.0f}"
    exponent = 3 * int(math.log10(abs(value)) // 3)
    return f"{value / 10**exponent:.4g}e{exponent}"


def print_configuration(result: xr.Dataset) -> None:
    """Print what was asked, what the status means, and every metric of one configuration."""
    asked = (f"{name} {result.attrs[name]}" for name in result.attrs if "version" not in name)
    print(" · ".join(asked))
    status = Status(result["status"].item())
    print(f"status {status.name.lower()}: {status.meaning}")
    spread, single = [], []
    for name in map(str, result.data_vars):
        array = result[name]
        unit = "" if array.attrs["units"] == "1" else array.attrs["units"]
        if "percentile" in array.dims:
            spread.append([name, *array.values.tolist(), unit])
        else:
            single += [[label, shown, unit] for label, shown in _cells(name, array)]
    print_table(["latency", *(f"P{p}" for p in result["percentile"].values), "unit"], spread)
    print_table(["cluster", "value", "unit"], single)


def _cells(name: str, array: xr.DataArray) -> list[tuple[str, Any]]:
    """Labels and values of an array with at most one dimension; codes by name."""
    codes = VARIABLES[name].codes
    values = np.atleast_1d(array.values).tolist()
    shown = [codes(value).name.lower() for value in values] if codes else values
    labels = [f"{name}.{label}" for label in array[array.dims[0]].values] if array.dims else [name]
    return list(zip(labels, shown, strict=True))
