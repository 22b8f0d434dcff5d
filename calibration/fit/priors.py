"""What is known of each parameter before any measurement."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

KINDS = ("gpu", "host")
"""Parameters belong to a GPU, or to the host time of a machine's serving stack."""


class Prior(NamedTuple):
    """Prior of one parameter; widths are standard deviations of its logarithm."""

    kind: str
    """One of KINDS."""
    typical: float
    """Typical value, in the parameter's unit."""
    sd: float
    """How far the typical value may be off."""
    between: float
    """How far one GPU or machine differs from the next."""


@cache
def priors() -> Mapping[str, Prior]:
    """Prior of every fitted parameter, those of GPUs first."""
    table = _table()
    return MappingProxyType(
        {name: Prior(kind, **values) for kind in KINDS for name, values in table[kind].items()}
    )


def pinned() -> Mapping[str, float]:
    """Value of every parameter that is not fitted."""
    return MappingProxyType(_table()["pinned"])


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).parents[1].joinpath("priors.toml").read_text("utf-8"))
