"""What a request-level run is asked for, beside the question itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from splitmodel.errors import InputError, check_choice, check_range

ARRIVALS = ("replay", "random")
ROUTINGS = ("tokens", "memory", "central")
"""Ways of choosing a server of a baseline; a routing's code is its index."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Options of `evaluate` that only the request-level tier takes."""

    seed: int = 0
    """Of the requests that are drawn; the same seed gives the same result on any number of
    cores."""
    seeds: int = 1
    """Runs with requests of their own; outputs are means over them."""
    duration_s: float | None = None
    """How long requests are drawn for [s]; without it, as long as 10,000 take."""
    arrivals: str | None = None
    """"replay" the arrivals of a trace, faster or slower where `rate_rps` asks for it, or draw
    "random" requests; by default a trace with arrivals is replayed."""
    burstiness: float = 1.0
    """Coefficient of variation of random gaps between arrivals, gamma distributed: 1 is a
    Poisson stream, 0 is evenly spaced."""
    warm_up_s: float = 0.0
    """Requests that arrive before this time are simulated, but not counted [s]."""
    cool_down_s: float = 0.0
    """So are those that arrive within this time of the last one [s]."""
    routing: str = "tokens"
    """Server of a baseline: the one with the fewest pending "tokens" or the least reserved
    "memory", or a "central" queue."""

    def __post_init__(self) -> None:
        """Check every option."""
        for name, low in (("seed", 0), ("seeds", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise InputError(f"{name}: {value!r} is not a whole number of at least {low}")
        if self.duration_s is not None:
            check_range("duration_s", self.duration_s)
        if self.arrivals is not None:
            check_choice("arrivals", self.arrivals, ARRIVALS)
        for name in ("burstiness", "warm_up_s", "cool_down_s"):
            check_range(name, getattr(self, name), open_low=False)
        check_choice("routing", self.routing, ROUTINGS)


COUNTED = (0.25, 0.9)
"""Part of the duration in which the arrivals count that tell about a steady state."""


def steady(*, duration_s: Any, **options: Any) -> Simulation:
    """Options for a steady state: random requests, of which those in the middle count.

    Args:
        duration_s: how long requests are drawn for [s].
        options: other fields of `Simulation`; they take precedence.

    Raises:
        InputError: for a bad value.
    """
    check_range("duration_s", duration_s)
    start, end = COUNTED
    defaults: dict[str, Any] = {
        "arrivals": "random",
        "warm_up_s": start * duration_s,
        "cool_down_s": (1.0 - end) * duration_s,
    }
    return Simulation(duration_s=duration_s, **(defaults | options))
