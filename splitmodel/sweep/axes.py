"""The axes that a design space can have, and what their values may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from splitmodel.errors import InputError, check_choice, check_range
from splitmodel.specs.cluster import BATCHINGS, KV_TRANSFERS
from splitmodel.sweep.mixes import check_mix
from splitmodel.units import unit_of


class Axis(NamedTuple):
    """What may vary."""

    long_name: str
    check: Callable[[str, Any], Any]
    """Value out of a field's name and what was given for it; raises InputError."""
    splitwise: bool = True
    """Whether a Splitwise design has it."""
    baseline: bool = True
    """Whether a baseline has it."""
    absent: Any = None
    """What stands for a policy where a design does not have it."""


def _name(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{field}: {value!r} is not a name")
    return value


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{field}: {value!r} is neither true nor false")
    return value


def _real(field: str, value: Any) -> float:
    if isinstance(value, bool):
        raise InputError(f"{field}: {value!r} is not a number")
    return float(check_range(field, value))


def _share(field: str, value: Any) -> float:
    return _real(field, check_range(field, value, high=1.0))


def _count(field: str, value: Any) -> int:
    if _real(field, value) != round(value):
        raise InputError(f"{field}: {value!r} is not a whole number")
    return int(value)


AXES: dict[str, Axis] = {
    "design": Axis("design", _name),
    "power_cap": Axis("power cap", _share),
    "prompt_power_cap": Axis("power cap of the prompt pool", _share, baseline=False, absent=0.0),
    "token_power_cap": Axis("power cap of the token pool", _share, baseline=False, absent=0.0),
    "tensor_parallel": Axis("tensor parallelism", _count),
    "pipeline_parallel": Axis("pipeline parallelism", _count),
    "batching": Axis(
        "batching",
        partial(check_choice, allowed=BATCHINGS),
        splitwise=False,
        absent="",
    ),
    "kv_transfer": Axis(
        "KV-cache transfer",
        partial(check_choice, allowed=KV_TRANSFERS),
        baseline=False,
        absent="",
    ),
    "mixed_pool": Axis("mixed pool", _flag, baseline=False, absent=False),
    "max_batch_tokens": Axis("most prompt tokens in an iteration", _real),
    "max_batch_size": Axis("most requests in an iteration", _real),
    "max_pending_tokens": Axis(
        "most prompt tokens queued at a machine", _real, baseline=False, absent=0.0
    ),
    "workload": Axis("workload", check_mix),
    "prompt": Axis("prompt machines", _count, baseline=False),
    "token": Axis("token machines", _count, baseline=False),
    "machines": Axis("machines", _count, splitwise=False),
    "rate_rps": Axis("arrival rate", _real),
}
"""By name, in the order of a result's dimensions: hardware, policies, sizes, counts, rate."""


def axis_attrs(name: str) -> dict[str, str]:
    """Attributes of an axis as a coordinate: `units` and `long_name`."""
    return {"units": unit_of(name), "long_name": AXES[name].long_name}


def axis_values(name: str, given: Any) -> tuple[Any, ...]:
    """Checked values of an axis; one value alone makes an axis of length one.

    Raises:
        InputError: for no value, one twice, or one that is not allowed.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = [given]
    plain = (each.item() if isinstance(each, np.generic) else each for each in given)
    values = tuple(AXES[name].check(name, each) for each in plain)
    if not values:
        raise InputError(f"{name}: empty; it needs at least one value")
    if len(set(values)) < len(values):
        twice = next(each for each in values if values.count(each) > 1)
        raise InputError(f"{name}: {twice!r} is given more than once")
    return values
