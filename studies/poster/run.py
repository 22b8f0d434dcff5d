"""Two clusters over seventy DGX-A100 without splitting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from splitmodel_studies.bars import rate_bars
from splitmodel_studies.published import EQUAL_POWER
from splitmodel_studies.routes import rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BASELINE = "Baseline-A100"
_QUANTITIES = {"servers": "machines", "cost": "usd_per_hour", "power": "power_provisioned_w"}


def run() -> xr.Dataset:
    """Throughput, servers, cost and power, all over the baseline's."""
    shown = {name: EQUAL_POWER[name] for name in (_BASELINE, "AA", "HA")}
    rate_rps = rates(shown)
    over = rate_rps / rate_rps.sel(cluster=_BASELINE)
    values = {"throughput": over}
    for name in ("AA", "HA"):
        values[f"{name.lower()}_throughput"] = over.sel(cluster=name, drop=True)
        for label, quantity in _QUANTITIES.items():
            ours, baseline = shown[name].cluster, shown[_BASELINE].cluster
            ratio = float(getattr(ours, quantity) / getattr(baseline, quantity))
            values[f"{name.lower()}_{label}"] = xr.DataArray(ratio)
    return xr.Dataset(values)


def plot(result: xr.Dataset) -> Figure:
    """Throughput over the baseline's by both simulated routes."""
    return rate_bars(result["throughput"], label="throughput over Baseline-A100")
