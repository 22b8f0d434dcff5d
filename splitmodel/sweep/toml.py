"""Values of a design space in TOML."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from splitmodel.errors import InputError
from splitmodel.specs.entry import Entry

LONGEST = 10_000_000
"""Values that an axis may have."""
_SPACED = {"even": np.linspace, "log": np.geomspace}
_ABSENT = object()


def toml_value(value: Any) -> str:
    """A value, or the values of an axis; evenly spaced whole numbers and long axes as a range."""
    if isinstance(value, tuple):
        return _range(value) or f"[{', '.join(map(toml_value, value))}]"
    # TOML writes texts, numbers and truth values as JSON does.
    return json.dumps(value)


def _range(values: tuple[Any, ...]) -> str | None:
    """Three or more numbers as the range that gives exactly them, if there is one."""
    if len(values) < 3:
        return None
    if all(type(each) is int for each in values):
        step = values[1] - values[0]
        if step > 0 and values == tuple(range(values[0], values[-1] + 1, step)):
            return f"{{ start = {values[0]}, stop = {values[-1] + step}, step = {step} }}"
    elif all(type(each) is float for each in values) and 0.0 < values[0] < values[-1]:
        for name, spaced in _SPACED.items():
            if np.array_equal(spaced(values[0], values[-1], len(values)), values):
                ends = f"from = {values[0]!r}, to = {values[-1]!r}"
                return f'{{ {ends}, points = {len(values)}, spacing = "{name}" }}'
    return None


def values_of(entry: Entry, name: str) -> Any:
    """What a table gives for an axis or limit, ranges written out; None where it is absent.

    Raises:
        InputError: for a range that is malformed.
    """
    value = entry.get(name, _ABSENT)
    if value is _ABSENT:
        return None
    if not isinstance(value, Mapping):
        return value
    table = entry.table(name)
    return _between(table) if "points" in table else _steps(table)


def _steps(table: Entry) -> list[float]:
    start, stop = table.number("start"), table.number("stop")
    step = table.number("step", 1.0)
    table.refuse_unknown()
    # A little less, so that rounding does not add a value at the end.
    values = (stop - start) / step - 1e-9
    _check_length(table, values)
    if values <= 0.0:
        raise InputError(f"{table.where}: stop = {stop:g} is not beyond start = {start:g}")
    return [start + step * index for index in range(math.ceil(values))]


def _between(table: Entry) -> list[float]:
    low, high, points = table.number("from"), table.number("to"), table.count("points")
    spaced = _SPACED[table.text("spacing", "even", choices=_SPACED)]
    table.refuse_unknown()
    _check_length(table, points)
    if high <= low or points < 2:
        raise InputError(
            f"{table.where}: from = {low:g}, to = {high:g}, points = {points:g}; it needs two or "
            "more points, and the second end beyond the first"
        )
    return spaced(low, high, int(points)).tolist()


def _check_length(table: Entry, values: float) -> None:
    if values > LONGEST:
        raise InputError(f"{table.where}: {values:.3g} values; an axis has at most {LONGEST:,}")
