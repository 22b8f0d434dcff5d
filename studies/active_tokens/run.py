"""One machine with mixed continuous batching, iteration by iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATE_RPS = 2.0
"""Rate to which the authors scale the traces down for one machine, section III-C."""
_MODEL = "llama2-70b"
_DURATION_S = 3600.0
_TOKENS = np.unique(np.round(np.geomspace(1.0, 4096.0, 80)))
_SHOWN = {"conv": "conversation", "code": "coding"}


def run() -> xr.Dataset:
    """Share of the busy time in which at most so many tokens are computed."""
    shares = {name: _shares(name, RATE_RPS) for name in AZURE_TRACES}
    return xr.Dataset(
        {
            "share": (("service", "tokens"), list(shares.values())),
            "conv_share_up_to_20": float(np.interp(20.0, _TOKENS, shares["conv"])),
            "code_share_of_one": shares["code"][0],
            "code_share_of_one_at_half_the_rate": _shares("code", 0.5 * RATE_RPS)[0],
            "rate_rps": RATE_RPS,
        },
        coords={"service": list(shares), "tokens": _TOKENS},
    )


def plot(result: xr.Dataset) -> Figure:
    """Cumulative share of the time over active tokens."""
    figure, (panel,) = panels()
    for service, shown in _SHOWN.items():
        panel.step(
            result["tokens"],
            100.0 * result["share"].sel(service=service),
            where="post",
            label=shown,
        )
    panel.set(xscale="log", xlabel="active tokens", ylabel="share of the time (%)", ylim=(0, 100))
    panel.legend()
    return figure


def _shares(service: str, rate_rps: float) -> np.ndarray:
    """Share of the busy time with at most `_TOKENS` tokens, shape of those."""
    out = sm.evaluate(
        sm.Cluster.baseline("H100", machines=1),
        sm.Workload.azure(service, rate_rps),
        model=_MODEL,
        tier="simulate",
        duration_s=_DURATION_S,
        arrivals="random",
        timeline=True,
    )
    seconds = (out["iteration_end_s"] - out["iteration_start_s"]).values
    active = out["iteration_tokens"].values
    return np.array([seconds[active <= most].sum() for most in _TOKENS]) / seconds.sum()
