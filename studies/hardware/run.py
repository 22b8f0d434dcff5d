"""Ratios of the catalogue's DGX-H100 to its DGX-A100."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

import splitmodel as sm
from splitmodel.specs.cluster import DESIGNS
from splitmodel_studies.style import ink, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = {
    "compute_ratio": "compute",
    "hbm_capacity_ratio": "memory",
    "hbm_bandwidth_ratio": "memory bandwidth",
    "nvlink_ratio": "NVLink",
    "infiniband_ratio": "InfiniBand",
    "gpu_power_ratio": "GPU power",
    "machine_power_ratio": "machine power",
    "cost_ratio": "price",
}


def run() -> xr.Dataset:
    """Ratios of every column of Table I, and those of Table V."""
    old, new = sm.machine("DGX-A100"), sm.machine("DGX-H100")
    cost = new.usd_per_hour / old.usd_per_hour
    power = new.power_provisioned_w / old.power_provisioned_w
    return xr.Dataset(
        {
            "compute_ratio": new.gpu.flop_per_s / old.gpu.flop_per_s,
            "hbm_capacity_ratio": new.gpu.hbm_bytes / old.gpu.hbm_bytes,
            "hbm_bandwidth_ratio": new.gpu.hbm_bytes_per_s / old.gpu.hbm_bytes_per_s,
            "gpu_power_ratio": new.gpu.tdp_w / old.gpu.tdp_w,
            "nvlink_ratio": new.gpu.nvlink_bytes_per_s / old.gpu.nvlink_bytes_per_s,
            "infiniband_ratio": new.infiniband_bytes_per_s / old.infiniband_bytes_per_s,
            "cost_ratio": cost,
            "cost_ratio_of_designs": cost,
            "machine_power_ratio": power,
            "capped_power_ratio": power * DESIGNS["HHcap"].token_cap,
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """A bar for each ratio; those beyond the price are where an H100 is the better buy."""
    figure, (panel,) = panels()
    panel.barh([*_SHOWN.values()], [result[name].item() for name in _SHOWN])
    panel.axvline(result["cost_ratio"].item(), color=ink(), linestyle="dashed", linewidth=1.0)
    panel.invert_yaxis()
    panel.set_xlabel("DGX-H100 over DGX-A100")
    return figure
