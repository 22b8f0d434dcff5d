"""Limits on latency percentiles, absolute or as slowdowns against an unloaded machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np

from splitmodel.errors import check_range, unknown_name
from splitmodel.specs.entry import Entry
from splitmodel.specs.files import read_file
from splitmodel.specs.host_only import HostOnly
from splitmodel.units import Scalar

PERCENTILES = (50, 90, 99)
"""Percentiles over requests on which limits are set and which results give."""
METRICS = ("ttft_s", "tbt_s", "e2e_s", "ttft_slowdown", "tbt_slowdown", "e2e_slowdown")
"""Metrics on which limits are set."""


def _limits(metric: str):
    """Field of one metric: a mapping of percentile to limit becomes an array, inf for no limit."""

    def convert(limits: Any) -> Any:
        if not isinstance(limits, Mapping):
            return limits
        for percentile in limits:
            if percentile not in PERCENTILES:
                raise unknown_name(metric, str(percentile), map(str, PERCENTILES))
        return np.array(
            [
                float(check_range(f"{metric}[{p}]", limits[p])) if p in limits else np.inf
                for p in PERCENTILES
            ]
        )

    return eqx.field(converter=convert, default_factory=dict)


def _label(name: str | HostOnly[str]) -> HostOnly[str]:
    return name if isinstance(name, HostOnly) else HostOnly(name)


class SLO(eqx.Module):
    """Limits that must all hold, strictly: a percentile equal to its limit fails.

    Every metric takes a mapping of percentile (50, 90, 99) to limit and is kept as an array of
    shape [3] with inf for no limit, so that all SLOs share one structure:

        SLO(ttft_s={99: 0.5}, tbt_slowdown={50: 1.25, 90: 1.5, 99: 5}, reference="DGX-A100")
    """

    ttft_s: Scalar = _limits("ttft_s")
    """Time to the first token [s]."""
    tbt_s: Scalar = _limits("tbt_s")
    """Time between tokens, mean over a request [s]."""
    e2e_s: Scalar = _limits("e2e_s")
    """Time to the last token [s]."""
    ttft_slowdown: Scalar = _limits("ttft_slowdown")
    tbt_slowdown: Scalar = _limits("tbt_slowdown")
    e2e_slowdown: Scalar = _limits("e2e_slowdown")
    reference: HostOnly[str] = eqx.field(static=True, converter=_label, default="DGX-A100")
    """Machine on which the same request alone is the slowdowns' denominator."""

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
        lines = [f'reference = "{self.reference.value}"']
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
