"""Decode time over the batch: measured, as the authors' simulator reads it, and ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.parameters.profile import GPUS, MODELS, TENSOR_PARALLEL, published_profile
from splitmodel_studies.batch_aware.by_batch import PROFILED_PROMPT_TOKENS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MODEL = "bloom-176b"
_MACHINES = {"DGX-A100": "a100-80gb", "DGX-H100": "h100-80gb"}
_CONTEXT_TOKENS = PROFILED_PROMPT_TOKENS + 64.0
"""Mean context while a request of the profile generates its 128 tokens."""
_INTERVAL = 0.9


def decode_times() -> xr.Dataset:
    """Decode times over `machine` and `batch_size` [s], and how much too short theirs are."""
    profile = published_profile()
    measured = profile.batched_tokens >= PROFILED_PROMPT_TOKENS
    batch = profile.batched_tokens[measured] / PROFILED_PROMPT_TOKENS
    times = {name: [] for name in ("measured_s", "read_s", "ours_s", "ours_s_low", "ours_s_high")}
    for machine, gpu in _MACHINES.items():
        row = MODELS.index(_MODEL), GPUS.index(gpu), TENSOR_PARALLEL.index(8)
        times["measured_s"].append(profile.decode_s[row][measured])
        asked = {"model": _MODEL, "machine": machine, "batch_size": batch}
        asked["context_tokens"] = _CONTEXT_TOKENS
        times["read_s"].append(sm.iteration_time("decode", **asked, timing="interpolated"))
        ours = sm.iteration_time("decode", **asked, interval=_INTERVAL)
        for end in ("", "_low", "_high"):
            times[f"ours_s{end}"].append(ours[f"iteration_time_s{end}"].values)
    result = xr.Dataset(
        {
            name: (("machine", "batch_size"), np.array(rows), {"units": "s"})
            for name, rows in times.items()
        },
        coords={"machine": list(_MACHINES), "batch_size": batch},
    )
    short = 100.0 * (1.0 - result["read_s"] / result["measured_s"])
    off = 100.0 * np.abs(result["ours_s"] / result["measured_s"] - 1.0)
    return result.assign(
        {
            f"{machine.lower().replace('-', '_')}_short_at_{size}": float(
                short.sel(machine=machine, batch_size=size)
            )
            for machine in _MACHINES
            for size in (16, 64)
        }
        | {"ours_off": float(off.mean())}
    )


def plot_decode(result: xr.Dataset, machines: Sequence[Axes]) -> None:
    """A panel for each machine."""
    for panel, machine in zip(machines, result["machine"].values, strict=True):
        times_ms = 1e3 * result[["measured_s", "read_s", "ours_s", "ours_s_low", "ours_s_high"]]
        own = times_ms.sel(machine=machine)
        panel.plot(own["batch_size"], own["read_s"], color="C0", label="authors' simulator")
        panel.plot(own["batch_size"], own["measured_s"], "o", color="C1", label="measured")
        panel.plot(own["batch_size"], own["ours_s"], color="C2", label="physical, 90% interval")
        ends = own["ours_s_low"], own["ours_s_high"]
        panel.fill_between(own["batch_size"], *ends, color="C2", alpha=0.3, linewidth=0.0)
        panel.set(title=f"{machine}, {_MODEL}", ylabel="decode step (ms)", ylim=(0.0, None))
        panel.set(xlabel="requests in the batch")
        panel.legend()
