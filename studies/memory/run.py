"""Memory that weights and KV cache take of one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.iteration.memory import (
    kv_bytes_per_token,
    kv_capacity_bytes,
    largest_batch,
    weight_bytes,
)
from splitmodel.specs.cluster import MAX_BATCH_SIZE, MAX_BATCH_TOKENS
from splitmodel.specs.semantics import PHYSICAL
from splitmodel_studies.machines import instance
from splitmodel_studies.style import ink, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODEL, _MACHINE = "bloom-176b", "DGX-H100"
_REQUEST_TOKENS = 1020.0 + 129.0
"""Median prompt and output of conversation, Insight I."""
_REQUESTS = np.arange(0.0, 81.0, 4.0)


def run() -> xr.Dataset:
    """Memory over requests, and how many of them fit."""
    model, server = sm.transformer(_MODEL), instance(_MACHINE, _MODEL)
    token_bytes = float(kv_bytes_per_token(model, PHYSICAL))
    capacity_bytes = float(kv_capacity_bytes(server, model, PHYSICAL))
    weights_bytes = float(weight_bytes(model, PHYSICAL))
    batch = largest_batch(server, model, PHYSICAL, _REQUEST_TOKENS, MAX_BATCH_SIZE)
    used_bytes = weights_bytes + _REQUESTS * _REQUEST_TOKENS * token_bytes
    return xr.Dataset(
        {
            "used_bytes": ("requests", used_bytes, {"units": "bytes"}),
            "usable_bytes": weights_bytes + capacity_bytes,
            "weight_bytes": weights_bytes,
            "largest_batch": float(batch),
            "prompt_share": MAX_BATCH_TOKENS * token_bytes / capacity_bytes,
            "reserve": 100.0 * PHYSICAL.hbm_reserve,
        },
        coords={"requests": _REQUESTS},
    )


def plot(result: xr.Dataset) -> Figure:
    """Memory over the requests in the batch."""
    figure, (panel,) = panels()
    panel.plot(result["requests"], 1e-9 * result["used_bytes"], label="weights and KV cache")
    panel.axhline(1e-9 * result["weight_bytes"].item(), color="C1", label="weights")
    usable_gb = 1e-9 * result["usable_bytes"].item()
    panel.axhline(usable_gb, color=ink(), linestyle="dashed", label="usable memory")
    panel.set(xlabel="requests in the batch", ylabel="memory (GB)", ylim=(0.0, None))
    panel.legend()
    return figure
