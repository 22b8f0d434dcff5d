"""The highest rate within the power of 40 DGX-H100, with every machine in either role."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel_studies.published import POWER_W
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MACHINES = {
    "bloom-176b": ("DGX-A100", "DGX-H100", "DGX-H200"),
    "llama2-70b": ("DGX-A100-40GB", "DGX-A100", "DGX-H100", "DGX-H200"),
}
"""By model. Eight GPUs of 40 GB do not hold BLOOM-176B."""
STACK = "splitwise-2023"
"""For all of them, as machines that were not measured have the host times of another by default."""


def run() -> xr.Dataset:
    """Highest rates of all pairs, and of machines that run both phases."""
    tables = {model: _rates(model) for model in MACHINES}
    bloom, llama = (tables[model]["split"] for model in MACHINES)

    def gain(table: xr.DataArray, role: str, new: str, old: str, other: str) -> xr.DataArray:
        pair = {"token": "prompt", "prompt": "token"}[role]
        fixed = table.sel({pair: other})
        return (fixed.sel({role: new}) / fixed.sel({role: old})).drop_vars([pair])

    return xr.Dataset(
        {
            "h200_tokens": gain(bloom, "token", "DGX-H200", "DGX-H100", "DGX-H100"),
            "h200_prompts": gain(bloom, "prompt", "DGX-H200", "DGX-H100", "DGX-H100"),
            "small_a100_tokens": gain(llama, "token", "DGX-A100-40GB", "DGX-A100", "DGX-A100"),
            **{
                f"{model}_{kind}_rps": rates.rename({dim: f"{model}_{dim}" for dim in rates.dims})
                for model, by_kind in tables.items()
                for kind, rates in by_kind.items()
            },
        }
    )


def _rates(model: str) -> dict[str, xr.DataArray]:
    """Highest rates over prompt and token machine, and over machines for both phases."""
    names = MACHINES[model]
    pairs = [f"{prompt}+{token}" for prompt, token in product(names, names)]
    joint = [f"baseline-{name}" for name in names]
    best = sm.provision(
        sm.Workload.azure("conv", rate_rps=1.0),
        model=model,
        maximise="rate",
        budget_power_w=POWER_W,
        designs=[*pairs, *joint],
        stack=STACK,
    )
    found = dict(zip(best["design"].values, best["highest_rate_rps"].values, strict=True))
    rates = [found.get(name, 0.0) for name in (*pairs, *joint)]
    attrs = {"units": "requests/s", "long_name": "highest rate"}
    table = np.reshape(rates[: len(pairs)], (len(names), len(names)))
    roles = {"prompt": list(names), "token": list(names)}
    return {
        "split": xr.DataArray(table, roles, ("prompt", "token"), attrs=attrs),
        "joint": xr.DataArray(rates[len(pairs) :], {"machine": list(names)}, attrs=attrs),
    }


def plot(result: xr.Dataset) -> Figure:
    """Rates as a table in colours; the last row has machines that run both phases."""
    figure, both = panels(len(MACHINES))
    for panel, (model, names) in zip(both, MACHINES.items(), strict=True):
        rates = np.vstack([result[f"{model}_split_rps"], result[f"{model}_joint_rps"]])
        drawn = panel.imshow(rates, cmap="cividis", aspect="auto", vmin=0.0)
        for (row, column), rate_rps in np.ndenumerate(rates):
            bright = rate_rps > 0.5 * rates.max()
            colour = "black" if bright else "white"
            panel.text(column, row, f"{rate_rps:.0f}", ha="center", va="center", color=colour)
        short = [name.removeprefix("DGX-") for name in names]
        panel.set_xticks(range(len(names)), short)
        panel.set_yticks(range(len(names) + 1), [*short, "both phases"])
        panel.set(xlabel="token machines", ylabel="prompt machines", title=model)
        figure.colorbar(drawn, ax=panel, label="highest rate (requests/s)")
    return figure
