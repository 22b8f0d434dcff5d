"""Results on standard output: as JSON for programs, as tables for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from rich import box
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.table import Table

from splitmodel.codes import Status
from splitmodel.specs.design import BASELINE
from splitmodel.variables import variable_of

RANKED = (
    "prompt",
    "token",
    "machines",
    "highest_rate_rps",
    "cost_usd_per_hour",
    "power_provisioned_w",
    "requests_per_usd",
    "requests_per_joule",
)
"""What a table of the best clusters shows, beside the ratios to the baselines."""

CONFIRMED = ("holds_in_simulation", "simulated_highest_rate_rps")
"""What it shows first of clusters that were simulated."""


def print_json(value: Any) -> None:
    """Print plain data as JSON; see `plain` for numbers that JSON does not know."""
    print(json.dumps(value, indent=2, allow_nan=False))


def plain(values: Any) -> Any:
    """Numbers, labelled arrays, datasets and trees as data that JSON can hold.

    A dimension becomes an object keyed by its labels. Infinite and undefined numbers become null:
    JSON has neither, and a status other than 0 tells that a latency is infinite.
    """
    match values:
        case xr.DataTree():
            return {name: plain(child.to_dataset()) for name, child in values.children.items()}
        case xr.Dataset():
            names = [name for name in (*values.coords, *values) if name not in values.dims]
            named = {str(name): plain(values[name]) for name in names}
            return named | {"attrs": {name: plain(value) for name, value in values.attrs.items()}}
        case xr.DataArray(dims=(dim, *_)):
            return {str(values[dim][i].item()): plain(one) for i, one in enumerate(values)}
        case xr.DataArray() | np.generic():
            return plain(values.item())
        case float():
            return values if math.isfinite(values) else None
        case _:
            return values


def show(*tables: RenderableType) -> None:
    """Print tables side by side where there is room."""
    # What reads from a pipe need not fit the width of a terminal.
    console = Console(markup=False, width=None if sys.stdout.isatty() else 200)
    console.print(Columns(tables))


def table(title: str, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Table:
    """A table; numbers stand to the right, texts to the left."""
    body = [list(row) for row in rows]
    result = Table(title=title, box=box.SIMPLE_HEAD, padding=0)
    for name, *column in zip(header, *body, strict=True):
        numeric = any(isinstance(each, int | float) for each in column)
        # Long names over narrow columns stand upright, a word on each line.
        heading = name.replace("_", "\n") if numeric else name
        result.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        result.add_row(*map(text, row))
    return result


def text(value: Any) -> str:
    """A number with four significant digits, such as 0.1234 or 123.4e6; anything else as it is."""
    if not isinstance(value, int | float):
        return str(value)
    size = abs(value)
    if size == 0.0 or not math.isfinite(value) or 1e-3 <= size < 1e4:
        return f"{value:.4g}"
    if 1e4 <= size < 1e6:
        return f"{value:,.0f}"
    exponent = 3 * math.floor(math.log10(size) / 3)
    return f"{value / 10**exponent:.4g}e{exponent}"


def show_configuration(result: xr.Dataset) -> None:
    """Print what was asked, what the status means, and every metric of one configuration."""
    print(_asked(result))
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
    percentiles = [f"P{p}" for p in result["percentile"].values]
    show(
        table("Latencies", ["output", *percentiles, "unit"], spread),
        table("Cluster", ["output", "value", "unit"], single),
    )


def _asked(result: xr.Dataset) -> str:
    """What was asked, on one line."""
    return " · ".join(
        f"{name} {value}" for name, value in result.attrs.items() if value and "version" not in name
    )


def _cells(name: str, array: xr.DataArray) -> list[tuple[str, Any]]:
    """Labels and values of an array with at most one dimension; codes by name."""
    codes = variable_of(name)[0].codes
    values = np.atleast_1d(array.values).tolist()
    shown = [codes(value).name.lower() for value in values] if codes else values
    labels = [f"{name}.{label}" for label in array[array.dims[0]].values] if array.dims else [name]
    return list(zip(labels, shown, strict=True))


def show_ranking(result: xr.Dataset | xr.DataTree) -> None:
    """Print results of `provision`, a column for the best cluster of each design."""
    results = (
        [child.to_dataset() for child in result.children.values()]
        if isinstance(result, xr.DataTree)
        else [result]
    )
    for each in results:
        print(_asked(each))
    show(*map(_ranked, results))


def _ranked(result: xr.Dataset) -> Table:
    ratios = [str(name) for name in result.data_vars if "_vs_" in str(name)]
    confirmed = [name for name in CONFIRMED if name in result]
    shown = (*confirmed, *RANKED, *ratios)
    rows = [[name, *result[name].values.tolist()] for name in shown]
    pairs = zip(result["rank"].values, result["design"].values, strict=True)
    header = [f"{rank}\n{_over_lines(design)}" for rank, design in pairs]
    return table(result.attrs["semantics"], ["rank\ndesign", *header], rows)


def _over_lines(design: str) -> str:
    return design.replace(BASELINE, f"{BASELINE}\n").replace("+", "+\n")
