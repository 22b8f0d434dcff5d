"""Llama2-70B on the published clusters of equal power."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import xarray as xr

import splitmodel as sm
from splitmodel_studies.bars import rate_bars
from splitmodel_studies.published import BASELINES, EQUAL_POWER
from splitmodel_studies.routes import rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODEL = "llama2-70b"
_OWN_BASELINE = {"AA": "A100", "HH": "H100", "HA": "H100", "HHcap": "H100"}


def run() -> xr.Dataset:
    """Rates by every route, and those of the designs over the baselines'."""
    sized_for, model = sm.transformer("bloom-176b"), sm.transformer(_MODEL)
    clusters = {name: replace(served, model=_MODEL) for name, served in EQUAL_POWER.items()}
    rate_rps = rates(clusters)
    ratios = {
        f"{design.lower()}_over_baseline_{machine.lower()}": rate_rps.sel(cluster=design, drop=True)
        / rate_rps.sel(cluster=f"Baseline-{machine}", drop=True)
        for design, machine in _OWN_BASELINE.items()
    }
    slowest = rate_rps.sel(cluster=[*_OWN_BASELINE]).min("cluster")
    best_baseline = rate_rps.sel(cluster=[*BASELINES]).max("cluster")
    return xr.Dataset(
        {
            "rate_rps": rate_rps,
            **ratios,
            "least_over_best_baseline": slowest / best_baseline,
            "weights": float(model.weight_bytes / sized_for.weight_bytes),
            "kv_cache": float(model.kv_bytes_per_token / sized_for.kv_bytes_per_token),
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """Rates of all clusters by route."""
    return rate_bars(result["rate_rps"])
