"""Latency, cost and energy of requests alone on a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel.units import SECONDS_PER_HOUR
from splitmodel_studies.machines import latencies_s
from splitmodel_studies.routes import AUTHORS, ROUTES, label
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODEL = "llama2-70b"
_ALONE_RPS = 1e-3
"""So few requests that none meets another."""
_REQUESTS = 10_000
_TABLE = {"A100": (17.6, 5750.0), "H100": (38.0, 10000.0)}
"""Price of a machine [$/h] in Table I, and the power [W] that the energies of Table IV imply."""
_SERVICES = {"conv": "conversation", "code": "coding"}
_SHOWN = ("ttft_ms", "tbt_ms", "e2e_ms", "cost_cents", "energy_wh")


def run() -> xr.Dataset:
    """Medians of both services on both machines."""
    values = {
        f"{service}_{machine.lower()}_{name}": value
        for service in AZURE_TRACES
        for machine in _TABLE
        for name, value in _medians(service, machine).items()
    }
    return xr.Dataset(values)


def plot(result: xr.Dataset) -> Figure:
    """Every median of H100 over that of A100."""
    figure, (panel,) = panels()
    places = np.arange(len(_SHOWN))
    for turn, service in enumerate(AZURE_TRACES):
        ratios = [
            (result[f"{service}_h100_{name}"] / result[f"{service}_a100_{name}"])
            .sel(route=label(AUTHORS, "simulate"))
            .item()
            for name in _SHOWN
        ]
        panel.bar(places + 0.4 * (turn - 0.5), ratios, 0.4, label=_SERVICES[service])
    panel.set_xticks(places, [name.rpartition("_")[0] for name in _SHOWN])
    panel.set_ylabel("DGX-H100 over DGX-A100")
    panel.legend()
    return figure


def _medians(service: str, machine: str) -> dict[str, xr.DataArray]:
    """Every number of the table, over the routes."""
    usd_per_hour, power_w = _TABLE[machine]
    alone_s = xr.concat(
        [
            latencies_s(
                sm.Cluster.baseline(machine, machines=1),
                route.load(service).with_rate(_ALONE_RPS),
                _MODEL,
                route.name,
                duration_s=_REQUESTS / _ALONE_RPS,
            ).sel(percentile=50, drop=True)
            for route in ROUTES
        ],
        xr.DataArray([label(route, "simulate") for route in ROUTES], dims="route", name="route"),
    )
    e2e_s = alone_s.sel(metric="e2e_s", drop=True)
    return {
        "ttft_ms": 1e3 * alone_s.sel(metric="ttft_s", drop=True),
        "tbt_ms": 1e3 * alone_s.sel(metric="tbt_s", drop=True),
        "e2e_ms": 1e3 * e2e_s,
        "cost_cents": 100.0 * usd_per_hour * e2e_s / SECONDS_PER_HOUR,
        "energy_wh": power_w * e2e_s / SECONDS_PER_HOUR,
    }
