"""Reads checked fields out of one table of a user's TOML or JSON file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from splitmodel.errors import InputError, check_choice, check_range, unknown_name


class Entry:
    """One table of a file: hands out checked fields, then refuses those that nobody asked for.

    Every message names the file, the field, its value and what is allowed. A field whose value is
    null counts as absent. Where a field may be absent its default is given; otherwise its absence
    is an error.
    """

    def __init__(self, table: Any, file: str, path: str = ""):
        """Wrap `table` of `file`, found at a dotted `path`, such as "machines.big"."""
        self._file, self._path = file, path
        if not isinstance(table, Mapping):
            raise InputError(f"{self.where}: {table!r} is not a table of named fields")
        self._table = {key: value for key, value in table.items() if value is not None}
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def names(self) -> list[str]:
        """Names of all fields."""
        return list(self._table)

    @property
    def where(self) -> str:
        """File and path, as messages give them."""
        return f"{self._file}: {self._path}" if self._path else self._file

    def field(self, key: str) -> str:
        """Full name of a field, as messages give it."""
        return f"{self._file}: {self._path_of(key)}"

    def _path_of(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def get(self, key: str, default: Any = None) -> Any:
        """The field as it stands in the file."""
        self._asked.add(key)
        value = self._table.get(key, default)
        if value is None:
            raise InputError(f"{self.field(key)}: missing, and it has no default")
        return value

    def number(
        self, key: str, default: float | None = None, *, positive: bool = True, whole: bool = False
    ) -> float:
        """A number, or the table `{ value = number, source = "where it is from" }`."""
        value, field = self.get(key, default), self.field(key)
        if isinstance(value, Mapping):
            sourced = self.table(key)
            value = sourced.get("value")
            sourced.text("source")
            sourced.refuse_unknown()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{field}: {value!r} is not a number")
        check_range(field, value, open_low=positive)
        if whole and value != int(value):
            raise InputError(f"{field}: {value!r} is not a whole number")
        return float(value)

    def count(self, key: str, default: float | None = None, *, positive: bool = True) -> float:
        """A whole number, as a float: leaves of a spec are floats."""
        return self.number(key, default, positive=positive, whole=True)

    def text(
        self, key: str, default: str | None = None, *, choices: Iterable[str] | None = None
    ) -> str:
        """A string, one of `choices` where these are given."""
        value = self.get(key, default)
        if choices is not None:
            return check_choice(self.field(key), value, choices)
        if not isinstance(value, str):
            raise InputError(f"{self.field(key)}: {value!r} is not a text")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        """True or false."""
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise InputError(f"{self.field(key)}: {value!r} is neither true nor false")
        return value

    def choices(self, key: str, allowed: Iterable[str]) -> frozenset[str]:
        """A list of names out of `allowed`; empty where the field is absent."""
        values = self.get(key, [])
        if not isinstance(values, list):
            raise InputError(f"{self.field(key)}: {values!r} is not a list of names")
        return frozenset(check_choice(self.field(key), value, allowed) for value in values)

    def table(self, key: str, default: Mapping[str, Any] | None = None) -> Entry:
        """A nested table."""
        return Entry(self.get(key, default), self._file, self._path_of(key))

    def row(self, key: str, names: Sequence[str]) -> float:
        """Position of the field's value in `names`; -1 where the field is absent."""
        return float(names.index(self.text(key, choices=names))) if key in self else -1.0

    def refuse_unknown(self) -> None:
        """Raise if the table has a field that nobody asked for, most likely a misspelt one.

        Any table may say where it is from in a `source`.
        """
        self.text("source", "")
        for key in self._table:
            if key not in self._asked:
                raise unknown_name(f"{self.where}: field", key, self._asked)
