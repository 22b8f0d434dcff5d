"""Physical constants and the registry that ties a name's suffix to its unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from jaxtyping import Array, Bool, Float, Num
from numpy import floating, ndarray, number

if TYPE_CHECKING:
    # Numbers, arrays and tracers mix freely in formulas, which no static type expresses.
    Scalar: TypeAlias = Any
    Flag: TypeAlias = Any
    Number: TypeAlias = Any
else:
    Scalar = float | Float[Array, "..."] | Float[ndarray, "..."] | floating
    """A leaf: one number for one machine, an array under `vmap` or for many."""
    Flag = bool | Bool[Array, "..."] | Bool[ndarray, "..."]
    """A truth value, or an array of them."""
    Number = int | Scalar | Num[Array, "..."] | Num[ndarray, "..."] | number
    """What users give for a quantity: whole numbers too."""

GIB = 2.0**30
SECONDS_PER_HOUR = 3600.0

UNITS: dict[str, str] = {
    "flop_per_s": "FLOP/s",
    "bytes_per_s": "bytes/s",
    "usd_per_hour": "$/h",
    "usd_per_request": "$/request",
    "usd_per_million_tokens": "$/1e6 tokens",
    "requests_per_usd": "requests/$",
    "requests_per_joule": "requests/J",
    "j_per_request": "J/request",
    "flop": "FLOP",
    "bytes": "bytes",
    "tokens": "tokens",
    "rps": "requests/s",
    "w": "W",
    "s": "s",
}
"""Last words of a name → unit, the longest first."""


def unit_of(name: str) -> str:
    """Unit of a quantity from its name's last words; dimensionless names give '1'."""
    for suffix in sorted(UNITS, key=len, reverse=True):
        if f"_{name}".endswith(f"_{suffix}"):
            return UNITS[suffix]
    return "1"
