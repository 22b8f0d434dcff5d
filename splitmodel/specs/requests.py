"""Requests on the host: recorded or weighted sizes, from which request-level runs draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from splitmodel.errors import InputError


@dataclass(frozen=True, eq=False)
class Requests:
    """Sizes of requests, each with a weight, and their arrivals where these were recorded."""

    prompt_tokens: Float[ndarray, " requests"]
    output_tokens: Float[ndarray, " requests"]
    weight: Float[ndarray, " requests"]
    """How often each occurs, in any unit."""
    arrival_s: Float[ndarray, " requests"] | None = None
    """Arrival after that of the first [s], ascending."""
    independent: bool = False
    """Whether prompt and output sizes are drawn independently of each other."""

    @classmethod
    def checked(
        cls,
        prompt_tokens: Any,
        output_tokens: Any,
        weight: Any = None,
        arrival_s: Any = None,
        where: str = "",
    ) -> Requests:
        """Requests from columns of equal length, checked; rows count from 1 in messages.

        Args:
            prompt_tokens: shape [requests], at least 1 [tokens].
            output_tokens: shape [requests], at least 1 [tokens].
            weight: shape [requests], positive; equal by default.
            arrival_s: shape [requests], ascending [s].
            where: start of every message, such as the name of a file.

        Raises:
            InputError: naming column, row and value.
        """
        prompts = read_column(f"{where}prompt_tokens", prompt_tokens, low=1.0)
        outputs = read_column(f"{where}output_tokens", output_tokens, low=1.0)
        weights = np.ones_like(prompts)
        if weight is not None:
            weights = read_column(f"{where}weight", weight, low=np.finfo(np.float64).tiny)
        arrivals = None
        if arrival_s is not None:
            arrivals = read_column(f"{where}arrival_s", arrival_s, low=0.0)
        for name, column in (
            ("output_tokens", outputs),
            ("weight", weights),
            ("arrival_s", arrivals),
        ):
            if column is not None and len(column) != len(prompts):
                raise InputError(
                    f"{where}{name}: has {len(column)} rows, prompt_tokens has {len(prompts)}"
                )
        if arrivals is not None:
            _check_ascending(f"{where}arrival_s", arrivals)
            arrivals = arrivals - arrivals[0]
        return cls(prompts, outputs, weights, arrivals)

    @property
    def recorded_rps(self) -> float | None:
        """Rate of the recorded arrivals [requests/s]; None where there is no span of time."""
        if self.arrival_s is None or self.arrival_s[-1] == 0.0:
            return None
        return (len(self.arrival_s) - 1) / float(self.arrival_s[-1])

    def sample(
        self, n: int, rng: np.random.Generator
    ) -> tuple[Float[ndarray, " n"], Float[ndarray, " n"]]:
        """Prompt and output sizes of `n` requests drawn with replacement [tokens]."""
        share = self.weight / self.weight.sum()
        # Row by row, so that more requests begin with the same ones.
        rows = rng.choice(len(share), size=(n, 2 if self.independent else 1), p=share)
        return self.prompt_tokens[rows[:, 0]], self.output_tokens[rows[:, -1]]


def read_column(
    field: str, values: Any, *, low: float, parse: Callable[[Any], float] = float
) -> Float[ndarray, " rows"]:
    """Column of numbers, all finite and at least `low`.

    Raises:
        InputError: naming field, row and value.
    """
    entries = np.asarray(values, dtype=object)
    if entries.ndim != 1 or not entries.size:
        raise InputError(f"{field}: needs a column of numbers with at least one row")
    column = np.array([_parsed(entry, parse) for entry in entries.tolist()])
    bad = np.flatnonzero(~(np.isfinite(column) & (column >= low)))
    if bad.size:
        row = int(bad[0])
        raise InputError(
            f"{field}: {str(entries[row])!r} in row {row + 1} is not a number of at least {low:g}"
        )
    return column


def _parsed(entry: Any, parse: Callable[[Any], float]) -> float:
    try:
        return parse(entry)
    except (TypeError, ValueError):
        return np.nan


def _check_ascending(field: str, column: ndarray) -> None:
    falls = np.flatnonzero(np.diff(column) < 0.0)
    if falls.size:
        row = int(falls[0]) + 1
        raise InputError(
            f"{field}: {column[row]:.12g} in row {row + 1} is before the row above it; "
            "sort the trace by arrival"
        )
