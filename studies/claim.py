"""What was published, and how near we must come: the file that is written before the run."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from splitmodel.errors import InputError


@dataclass(frozen=True)
class Claim:
    """One published result."""

    name: str
    """Variable of the result that is compared with it."""
    says: str
    published: float
    unit: str = "1"
    tolerance: float | None = None
    """Largest relative difference from the published value, in either direction."""
    at_least: float | None = None
    at_most: float | None = None
    route: str | None = None
    """Entry that is judged, where the result has several routes."""
    fails: str = ""
    """Why the result cannot be reproduced; empty where it must be."""

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest value that reproduces it."""
        if self.tolerance is not None:
            around = self.tolerance * abs(self.published)
            return self.published - around, self.published + around
        return (
            -np.inf if self.at_least is None else self.at_least,
            np.inf if self.at_most is None else self.at_most,
        )

    def value(self, result: xr.Dataset) -> float:
        """Our number, of the route that is judged."""
        ours = result[self.name]
        return float(ours if self.route is None else ours.sel(route=self.route))

    def reproduced(self, result: xr.Dataset) -> bool:
        """Whether our number lies within the limits."""
        low, high = self.limits
        return bool(low <= self.value(result) <= high)

    def verdict(self, result: xr.Dataset) -> str:
        """One word, "pass" or "fail"; two for a claim that has a reason to fail.

        Those are "expected fail" and "unexpected pass".
        """
        if self.reproduced(result):
            return "unexpected pass" if self.fails else "pass"
        return "expected fail" if self.fails else "fail"


@dataclass(frozen=True)
class Claims:
    """The claims of a study."""

    order: float
    """Place among all studies: that of the result in the paper."""
    title: str
    source: str
    claims: tuple[Claim, ...]


def read_claims(path: Path) -> Claims:
    """Claims of a `claim.toml`.

    Raises:
        InputError: for a file that cannot be read, lacks a field or has an unknown one, or a claim
            that nothing can contradict.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        claims = tuple(Claim(name, **fields) for name, fields in table.pop("claims").items())
        found = Claims(claims=claims, **table)
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as problem:
        raise InputError(f"claims: {path} is no claim.toml: {problem}") from problem
    for claim in claims:
        bounded = claim.at_least is not None or claim.at_most is not None
        if bounded == (claim.tolerance is not None):
            raise InputError(
                f"claims: {claim.name} in {path} needs a tolerance, or else at_least or at_most"
            )
    return found
