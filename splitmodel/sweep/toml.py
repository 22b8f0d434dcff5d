"""Values of a design space in TOML."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from splitmodel.errors import InputError
from splitmodel.specs.entry import Entry

LARGEST = 10_000_000
"""Configurations that a space may have: their metrics take a few gigabytes."""
_ABSENT = object()


def toml_value(value: Any) -> str:
    """A value, or the values of an axis; evenly spaced whole numbers as a range."""
    if isinstance(value, tuple):
        if (step := _step(value)) is not None:
            return f"{{ start = {value[0]}, stop = {value[-1] + step}, step = {step} }}"
        return f"[{', '.join(map(toml_value, value))}]"
    # TOML writes texts, numbers and truth values as JSON does.
    return json.dumps(value)


def _step(values: tuple[Any, ...]) -> int | None:
    """Step between whole numbers that ascend evenly, of which there are at least three."""
    if len(values) < 3 or not all(type(each) is int for each in values):
        return None
    step = values[1] - values[0]
    return step if step > 0 and values == tuple(range(values[0], values[-1] + 1, step)) else None


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
    start, stop = table.number("start"), table.number("stop")
    step = table.number("step", 1.0)
    table.refuse_unknown()
    # A little less, so that rounding does not add a value at the end.
    values = (stop - start) / step - 1e-9
    if values > LARGEST:
        raise InputError(
            f"{entry.field(name)}: a range of {values:.3g} values; at most {LARGEST:,} "
            "configurations are swept at once"
        )
    count = math.ceil(values)
    if count < 1:
        raise InputError(f"{entry.field(name)}: stop = {stop:g} is not beyond start = {start:g}")
    return [start + step * index for index in range(count)]
