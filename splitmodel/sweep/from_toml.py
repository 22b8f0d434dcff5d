"""What a file asks to be told of a sweep."""

from __future__ import annotations

from typing import Any

from splitmodel.errors import InputError
from splitmodel.specs.entry import Entry
from splitmodel.sweep.pareto_front import Pareto
from splitmodel.sweep.reduction import Reduction
from splitmodel.sweep.tallies import Count, Histogram
from splitmodel.sweep.top_k import TopK

_KINDS = ("top", "minimise", "maximise", "histogram", "count")


def reductions_of(entry: Entry) -> dict[str, Reduction] | None:
    """Reductions by name, out of the tables of `reduce`; None where there are none.

    Raises:
        InputError: for a table that asks for none or several, or has an unknown field.
    """
    if "reduce" not in entry:
        return None
    tables = entry.table("reduce")
    return {name: _reduction(tables.table(name)) for name in tables.names()}


def variables_of(entry: Entry) -> list[str] | None:
    """Names of outputs; None for the default."""
    return entry.get("variables") if "variables" in entry else None


def _reduction(entry: Entry) -> Reduction:
    given: dict[str, Any] = {"where": entry.text("where")} if "where" in entry else {}
    match [kind for kind in _KINDS if kind in entry]:
        case ["top"]:
            made = TopK
            given |= {"k": int(entry.count("top")), "by": entry.text("by")}
            given["largest"] = entry.flag("largest", False)
        case ["minimise"] | ["maximise"] | ["minimise", "maximise"]:
            made = Pareto
            given |= {name: entry.get(name, []) for name in ("minimise", "maximise")}
        case ["histogram"]:
            made = Histogram
            given |= {"name": entry.text("histogram"), "edges": entry.get("edges")}
        case ["count"]:
            made, given["where"] = Count, entry.text("count")
        case _:
            raise InputError(f"{entry.where}: needs one of {', '.join(_KINDS)}")
    entry.refuse_unknown()
    try:
        return made(**given)
    except InputError as problem:
        raise InputError(f"{entry.where}: {problem}") from problem
