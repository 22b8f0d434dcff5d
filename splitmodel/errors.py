"""Errors that say what is wrong, what is allowed and how to put it right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np


class InputError(ValueError):
    """A value that the user gave cannot be used: names field, value and what is allowed."""


def unknown_name(field: str, name: object, allowed: Iterable[str]) -> InputError:
    """Error for a name that is not in a list, with its nearest valid names."""
    names = sorted(allowed)
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return InputError(f"{field}: unknown name {name!r}; {hint}valid names: {', '.join(names)}")


def check_choice(field: str, value: object, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of `allowed`.

    Raises:
        InputError: naming the field, the value and the nearest valid names.
    """
    names = list(allowed)
    if not isinstance(value, str) or value not in names:
        raise unknown_name(field, value, names)
    return value


def check_range(
    field: str,
    value: Any,
    *,
    low: float = 0.0,
    high: float = np.inf,
    open_low: bool = True,
) -> Any:
    """Return `value` (scalar or array) if every entry is finite and within the range.

    `open_low` excludes `low` itself, so the default means strictly positive.

    Raises:
        InputError: naming the field, the first bad value and the allowed range.
    """
    try:
        entries = np.atleast_1d(np.asarray(value, dtype=np.float64)).ravel()
    except (TypeError, ValueError, OverflowError) as problem:
        raise InputError(f"{field}: {value!r} is not a number") from problem
    above = entries > low if open_low else entries >= low
    bad = ~(np.isfinite(entries) & above & (entries <= high))
    if bad.any():
        bracket = "(" if open_low else "["
        raise InputError(
            f"{field}: {entries[bad][0]:g} is outside the allowed range "
            f"{bracket}{low:g}, {high:g}{')' if np.isinf(high) else ']'}"
        )
    return value
