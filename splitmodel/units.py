"""Physical constants and the registry that ties a name's suffix to its unit."""

from __future__ import annotations

from jaxtyping import Array, Float
from numpy import floating, ndarray

Scalar = float | Float[Array, "..."] | Float[ndarray, "..."] | floating
"""A leaf: one number for one machine, an array under `vmap` or for many."""

GIB = 2.0**30
SECONDS_PER_HOUR = 3600.0

UNITS: dict[str, str] = {
    "_flop_per_s": "FLOP/s",
    "_bytes_per_s": "bytes/s",
    "_usd_per_hour": "$/h",
    "usd_per_hour": "$/h",
    "usd_per_request": "$/request",
    "usd_per_million_tokens": "$/1e6 tokens",
    "requests_per_usd": "requests/$",
    "requests_per_joule": "requests/J",
    "energy_j_per_request": "J/request",
    "_flop": "FLOP",
    "_bytes": "bytes",
    "_tokens": "tokens",
    "_rps": "requests/s",
    "_w": "W",
    "_s": "s",
}
"""Suffix of a name → unit, longest suffix first."""


def unit_of(name: str) -> str:
    """Unit of a quantity from its name's suffix; dimensionless names give '1'."""
    for suffix in sorted(UNITS, key=len, reverse=True):
        if name.endswith(suffix):
            return UNITS[suffix]
    return "1"
