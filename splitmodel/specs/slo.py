"""Limits on latency percentiles, absolute or as slowdowns against an unloaded machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from splitmodel.errors import InputError, check_range, unknown_name
from splitmodel.specs.entry import Entry
from splitmodel.specs.files import read_file
from splitmodel.specs.host_only import HostOnly
from splitmodel.units import Scalar
from splitmodel.variables import PERCENTILES

METRICS = ("ttft_s", "tbt_s", "e2e_s", "ttft_slowdown", "tbt_slowdown", "e2e_slowdown")
"""Metrics on which limits are set."""
Limits = Mapping[int, float | int] | None
"""Limit by percentile."""


class SLO(eqx.Module):
    """Limits that must all hold, strictly: a percentile equal to its limit fails.

    Each metric is an array of shape [3] over `PERCENTILES`, inf for no limit, so that all SLOs
    share one structure. Given as mappings of percentile to limit:

        SLO(ttft_s={99: 0.5}, tbt_slowdown={50: 1.25, 90: 1.5, 99: 5}, reference="DGX-A100")
    """

    ttft_s: Scalar
    """Time to the first token [s]."""
    tbt_s: Scalar
    """Time between tokens, mean over a request [s]."""
    e2e_s: Scalar
    """Time to the last token [s]."""
    ttft_slowdown: Scalar
    tbt_slowdown: Scalar
    e2e_slowdown: Scalar
    reference: HostOnly[str] = eqx.field(static=True)
    """Machine on which the same request alone is the slowdowns' denominator."""

    def __init__(
        self,
        *,
        ttft_s: Limits = None,
        tbt_s: Limits = None,
        e2e_s: Limits = None,
        ttft_slowdown: Limits = None,
        tbt_slowdown: Limits = None,
        e2e_slowdown: Limits = None,
        reference: str = "DGX-A100",
    ):
        """Limits by percentile, 50, 90 or 99, positive and finite.

        Raises:
            InputError: for another percentile or limit.
        """
        self.ttft_s = _limits("ttft_s", ttft_s)
        self.tbt_s = _limits("tbt_s", tbt_s)
        self.e2e_s = _limits("e2e_s", e2e_s)
        self.ttft_slowdown = _limits("ttft_slowdown", ttft_slowdown)
        self.tbt_slowdown = _limits("tbt_slowdown", tbt_slowdown)
        self.e2e_slowdown = _limits("e2e_slowdown", e2e_slowdown)
        self.reference = HostOnly(reference)

    @classmethod
    def splitwise(cls) -> SLO:
        """The nine limits of the Splitwise paper.

        References:
            Patel et al., Splitwise, ISCA 2024, Table VI.
        """
        return cls(
            ttft_slowdown={50: 2.0, 90: 3.0, 99: 6.0},
            tbt_slowdown={50: 1.25, 90: 1.5, 99: 5.0},
            e2e_slowdown={50: 1.25, 90: 1.5, 99: 5.0},
        )

    @classmethod
    def from_toml(cls, path: str | Path) -> SLO:
        """Limits of a TOML file, one table per metric, as `to_toml` writes them.

        Raises:
            InputError: if the file cannot be read, is malformed, or has an unknown metric or
                percentile or a limit that is not positive and finite.
        """
        top = read_file(Path(path))
        limits = {metric: _read_limits(top.table(metric, {})) for metric in METRICS}
        slo = cls(**limits, reference=top.text("reference", "DGX-A100"))
        top.refuse_unknown()
        return slo

    def to_toml(self) -> str:
        """Text of a TOML file with these limits."""
        lines = [f"reference = {json.dumps(self.reference.value)}"]
        for metric in METRICS:
            limits = zip(PERCENTILES, getattr(self, metric).tolist(), strict=True)
            if limited := [f"{p} = {limit!r}" for p, limit in limits if np.isfinite(limit)]:
                lines += ["", f"[{metric}]", *limited]
        return "\n".join(lines) + "\n"

    @classmethod
    def resolve(cls, slo: str | Path | SLO | None) -> SLO:
        """The limits meant by "splitwise", the path of a TOML file, an SLO, or None for no limit.

        Raises:
            InputError: for an unknown name or a bad file.
        """
        if isinstance(slo, SLO):
            return slo
        if slo is None:
            return cls()
        if slo == "splitwise":
            return cls.splitwise()
        if Path(slo).suffix != ".toml":
            raise unknown_name("slo", slo, ["splitwise", "FILE.toml"])
        return cls.from_toml(slo)


def _read_limits(table: Entry) -> dict[int, float]:
    limits = {p: table.number(str(p)) for p in PERCENTILES if str(p) in table}
    table.refuse_unknown()
    return limits


def _limits(metric: str, limits: Any) -> Float[np.ndarray, " percentiles"]:
    """Limits in the order of `PERCENTILES`, inf where there is none."""
    limits = {} if limits is None else limits
    if not isinstance(limits, Mapping):
        raise InputError(f"{metric}: {limits!r} is not a mapping of percentile to limit")
    for percentile, limit in limits.items():
        if percentile not in PERCENTILES:
            raise unknown_name(f"{metric}: percentile", str(percentile), map(str, PERCENTILES))
        check_range(f"{metric}[{percentile}]", limit)
    return np.array([limits.get(each, np.inf) for each in PERCENTILES], dtype=np.float64)
