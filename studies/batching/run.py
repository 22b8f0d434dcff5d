"""One machine under each mechanism, simulated at a light and at a usual load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.specs.cluster import BATCHINGS
from splitmodel.variables import PERCENTILES
from splitmodel_studies.machines import latencies_s
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LIGHT_RPS, _USUAL_RPS = 0.1, 1.0
"""What batching by request just serves, and over half of what mixed batching does."""
_DURATION_S = 7200.0


def run() -> xr.Dataset:
    """Percentiles of each mechanism, and ratios of what tells them apart."""
    latency_s = xr.concat(
        [_over_batchings(rate_rps) for rate_rps in (_LIGHT_RPS, _USUAL_RPS)],
        xr.DataArray([_LIGHT_RPS, _USUAL_RPS], dims="rate_rps", name="rate_rps"),
    )
    light = latency_s.sel(rate_rps=_LIGHT_RPS)
    wait_s = light.sel(metric="ttft_s", percentile=90)
    step_s = light.sel(metric="tbt_s", percentile=99)
    busy_s = latency_s.sel(rate_rps=_USUAL_RPS, metric="tbt_s", percentile=99)
    return xr.Dataset(
        {
            "latency_s": latency_s,
            "request_wait": float(wait_s.sel(batching="request") / wait_s.sel(batching="mixed")),
            "request_tbt": float(step_s.sel(batching="request") / step_s.sel(batching="mixed")),
            "continuous_stall": float(
                busy_s.sel(batching="continuous") / busy_s.sel(batching="mixed")
            ),
            "light_rps": _LIGHT_RPS,
            "usual_rps": _USUAL_RPS,
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """P50, P90 and P99: TTFT at the light load above, TBT at the usual one below."""
    figure, both = panels(2)
    places = np.arange(len(PERCENTILES))
    shown = (("ttft_s", _LIGHT_RPS, BATCHINGS), ("tbt_s", _USUAL_RPS, BATCHINGS[1:]))
    for panel, (metric, rate_rps, batchings) in zip(both, shown, strict=True):
        values = result["latency_s"].sel(metric=metric, rate_rps=rate_rps)
        for turn, batching in enumerate(batchings):
            at, own_ms = places + 0.27 * (turn - 1), 1e3 * values.sel(batching=batching)
            panel.bar(at, own_ms, 0.27, color=f"C{BATCHINGS.index(batching)}", label=batching)
        panel.set_xticks(places, [f"P{percentile}" for percentile in PERCENTILES])
        panel.set(ylabel=f"{metric.removesuffix('_s').upper()} (ms)")
        panel.set_title(f"{rate_rps:g} requests/s")
        panel.legend()
    both[0].set_yscale("log")
    return figure


def _over_batchings(rate_rps: float) -> xr.DataArray:
    return xr.concat(
        [
            latencies_s(
                sm.Cluster.baseline("H100", machines=1, batching=batching),
                sm.Workload.azure("conv", rate_rps),
                "bloom-176b",
                "physical",
                duration_s=_DURATION_S,
                seeds=2,
            )
            for batching in BATCHINGS
        ],
        xr.DataArray(list(BATCHINGS), dims="batching", name="batching"),
    )
