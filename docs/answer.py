"""The question on the landing page and in the README, and its answer as a figure.

`python docs/answer.py` draws the README's figure again.
"""

from __future__ import annotations

from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

import splitmodel as sm
from splitmodel.plotting import save_figure
from splitmodel.specs.design import is_baseline
from splitmodel_studies.style import theme

BUDGET_W = 40 * float(sm.machine("DGX-H100").power_provisioned_w)
README_FIGURE = Path(__file__).parent / "_static" / "answer.svg"


def best_clusters() -> xr.Dataset:
    """The best split of each design, at the power of forty DGX-H100."""
    load = sm.Workload.azure("conv", rate_rps=60.0)
    return sm.provision(load, model="bloom-176b", maximise="rate", budget_power_w=BUDGET_W)


def split_of(cluster: xr.Dataset) -> str:
    """Machines of one rank, by role."""
    if is_baseline(str(cluster["design"].item())):
        return f"{cluster['machines'].item():.0f} for both phases"
    return f"{cluster['prompt'].item():.0f} prompt + {cluster['token'].item():.0f} token"


def sentence(best: xr.Dataset) -> str:
    """The answer in words."""
    first = best.isel(rank=0)
    joint = best["highest_rate_rps"][[is_baseline(str(name)) for name in best["design"].values]]
    rate_rps = first["highest_rate_rps"].item()
    return (
        f"{first['design'].item()} with {split_of(first)} machines: {rate_rps:.0f} requests/s, "
        f"{rate_rps / joint.max().item():.2f} times what the same power serves where every machine "
        "runs both phases."
    )


def figure(best: xr.Dataset) -> Figure:
    """Highest rate of each design's best split, as bars."""
    drawn = Figure(figsize=(5.2, 3.0), layout="constrained")
    panel = drawn.subplots()
    clusters = [best.isel(rank=place) for place in range(best.sizes["rank"])]
    names = [f"{each['design'].item()}" for each in clusters]
    splitting = ["C1" if is_baseline(name) else "C0" for name in names]
    bars = panel.barh(names, best["highest_rate_rps"], color=splitting)
    labels = [f"{each['highest_rate_rps'].item():.0f}: {split_of(each)}" for each in clusters]
    panel.bar_label(bars, labels, padding=4)
    panel.invert_yaxis()
    panel.margins(x=1.0)  # room for the labels
    panel.set_xlabel(f"highest rate within {BUDGET_W / 1e3:.0f} kW (requests/s)")
    panel.spines[["right", "top"]].set_visible(False)
    return drawn


if __name__ == "__main__":
    with theme("light"):
        save_figure(figure(best_clusters()), README_FIGURE)
