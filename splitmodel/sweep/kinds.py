"""The kinds of hardware of a space, and what varies within each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from splitmodel.errors import InputError
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.design import DESIGN_NAMES, cluster_of, is_baseline
from splitmodel.sweep.axes import AXES
from splitmodel.sweep.generate import LIMITS, SLACK
from splitmodel.sweep.lattice import COLUMNS, Kind
from splitmodel.sweep.rows import Rows

_COLUMN_OF = {"prompt": "prompt", "token": "token", "machines": "mixed", "rate_rps": "rate_rps"}
"""Axes whose values vary within a kind, with the column that each one is."""

MANY = 20_000
"""Kinds of hardware that a design may have: each takes about a millisecond to make."""

Axes = Mapping[str, tuple[Any, ...]]
"""Values by axis."""


def has(design: str, axis: str) -> bool:
    """Whether a design has an axis."""
    return AXES[axis].baseline if is_baseline(design) else AXES[axis].splitwise


def kinds_of(
    axes: Axes,
    zipped: Sequence[Sequence[str]],
    limits: Mapping[str, float],
    rate_rps: float,
    load_of: Callable[[str | None], Any],
) -> Iterator[Kind]:
    """Kinds that have at least one configuration within the limits, in the order of the axes.

    Args:
        axes: of the space.
        zipped: lists of axes that vary together.
        limits: by field of the space.
        rate_rps: arrival rate where it is no axis [requests/s].
        load_of: workload by its name; None for that of the sweep.

    Raises:
        InputError: if a design has too many.
    """
    for index, design in enumerate(axes["design"]):
        own = {name: values for name, values in axes.items() if has(design, name)}
        own |= {"design": (design,)}
        for name in (name for group in zipped if "design" in group for name in group):
            if name in own and name != "design":
                own[name] = (axes[name][index],)
        dials = _dials(own, [group for group in zipped if "design" not in group])
        outer = [dial for dial in dials if not dial.keys() <= _COLUMN_OF.keys()]
        inner = [dial for dial in dials if dial.keys() <= _COLUMN_OF.keys()]
        count = math.prod(len(next(iter(dial.values()))) for dial in outer)
        if count > MANY:
            raise InputError(
                f"space: {count:,} kinds of hardware of design {design}; at most {MANY:,} are "
                "swept at once"
            )
        for chosen in product(*(list(zip(*dial.values(), strict=True)) for dial in outer)):
            fixed: dict[str, Any] = {}
            for dial, values in zip(outer, chosen, strict=True):
                fixed |= dict(zip(dial, values, strict=True))
            labels = {name: value for name, value in fixed.items() if name not in _COLUMN_OF}
            alone = [{name: (fixed[name],)} for name in fixed.keys() & _COLUMN_OF.keys()]
            cluster = hardware(labels)
            turned = _trimmed(cluster, _columns([*alone, *inner], rate_rps), limits)
            if all(len(values) for dial in turned for values in dial.values()):
                yield Kind(labels, cluster, load_of(labels.get("workload")), turned)


def _dials(axes: Axes, zipped: Sequence[Sequence[str]]) -> list[Axes]:
    """Axes that vary together, by the first axis of each."""
    partners = {name: group for group in zipped for name in group}
    dials, done = [], set()
    for name in axes:
        if name not in done:
            together = [each for each in partners.get(name, (name,)) if each in axes]
            dials.append({each: axes[each] for each in together})
            done.update(together)
    return dials


def hardware(labels: Mapping[str, Any]) -> Cluster:
    """A cluster of these hardware and policies; its counts play no role.

    Raises:
        InputError: for an unknown name or a value out of range.
    """
    given = tuple((name, value) for name, value in labels.items() if name != "workload")
    # Other designs may name files, which may change.
    known = labels["design"] in DESIGN_NAMES
    return (_cluster if known else _cluster.__wrapped__)(given)


@lru_cache(maxsize=1024)
def _cluster(labels: tuple[tuple[str, Any], ...]) -> Cluster:
    given = dict(labels)
    if not is_baseline(given["design"]):
        both = given.pop("power_cap", None)
        caps = {role: given.pop(f"{role}_power_cap", both) for role in ("prompt", "token")}
        given["power_cap"] = {role: cap for role, cap in caps.items() if cap is not None}
    return cluster_of(**given)


def _columns(dials: Sequence[Axes], rate_rps: float) -> list[dict[str, np.ndarray]]:
    """Dials by column; a column that no dial has stays at zero machines, or at the rate."""
    found = [
        {_COLUMN_OF[name]: np.array(values, float) for name, values in dial.items()}
        for dial in dials
    ]
    given = {column for dial in found for column in dial}
    constants = {column: np.zeros(1) for column in COLUMNS} | {"rate_rps": np.array([rate_rps])}
    return [*found, *({column: constants[column]} for column in COLUMNS if column not in given)]


def _trimmed(
    cluster: Cluster, dials: list[dict[str, np.ndarray]], limits: Mapping[str, float]
) -> list[dict[str, np.ndarray]]:
    """Dials without values that exceed a limit even beside the fewest machines elsewhere."""
    if not limits:
        return dials
    fewest = {column: values.min() for dial in dials for column, values in dial.items()}
    trimmed = []
    for dial in dials:
        counted = Rows(**(fewest | dial)).of(cluster)
        kept = np.ones(len(next(iter(dial.values()))), bool)
        for name, limit in limits.items():
            # A little more than what decides later, which may round the other way.
            kept &= getattr(counted, LIMITS[name]) <= limit * (1.0 + 2.0 * SLACK)
        trimmed.append({column: values[kept] for column, values in dial.items()})
    return trimmed
