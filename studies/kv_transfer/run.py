"""What a transfer adds to coding requests with BLOOM-176B."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.iteration.transfer import visible_transfer_s
from splitmodel.specs.cluster import KV_TRANSFERS
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.semantics import PHYSICAL
from splitmodel_studies.machines import MACHINES, instance
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODEL = "bloom-176b"
_PROMPT_TOKENS, _OUTPUT_TOKENS = 1500.0, 13.0
"""Median coding request, Insight I."""
_TOKENS = np.unique(np.append(np.arange(64.0, 4097.0, 4.0), _PROMPT_TOKENS))
_KINDS = ("serialized", "layerwise")


def run() -> xr.Dataset:
    """Visible delays over the prompt, and shares of what a request takes anyway."""
    visible_s = xr.DataArray(
        [[_visible_s(machine, kind) for kind in _KINDS] for machine in MACHINES],
        dims=("machine", "kind", "prompt_tokens"),
        coords={"machine": list(MACHINES), "kind": list(_KINDS), "prompt_tokens": _TOKENS},
        attrs={"units": "s"},
    )
    median_s = visible_s.sel(prompt_tokens=_PROMPT_TOKENS)
    old_s, new_s = (median_s.sel(machine=machine) for machine in MACHINES)
    new = visible_s.sel(machine="DGX-H100")
    slower = (new.sel(kind="serialized") > new.sel(kind="layerwise")).values
    prompt_s = _seconds("prefill", "DGX-A100", prompt_tokens=_PROMPT_TOKENS)
    step_s = _seconds("decode", "DGX-A100", context_tokens=_PROMPT_TOKENS)
    e2e_s = prompt_s + (_OUTPUT_TOKENS - 1.0) * step_s
    shares = {
        f"{kind}_{name}": 100.0 * float(old_s.sel(kind=kind) / of_s)
        for kind in _KINDS
        for name, of_s in (("second_token", step_s), ("e2e", e2e_s))
    }
    return xr.Dataset(
        {
            "visible_s": visible_s,
            "a100_layerwise_ms": 1e3 * float(old_s.sel(kind="layerwise")),
            "h100_layerwise_ms": 1e3 * float(new_s.sel(kind="layerwise")),
            "h100_crossing_tokens": float(_TOKENS[np.argmax(slower)]),
            "share_of_prompt_time": 100.0 * float(old_s.min() / prompt_s),
            **shares,
        }
    )


def plot(result: xr.Dataset) -> Figure:
    """Visible delay over the prompt."""
    figure, (panel,) = panels()
    for turn, machine in enumerate(result["machine"].values):
        for kind, style in zip(_KINDS, ("dashed", "solid"), strict=True):
            visible_ms = 1e3 * result["visible_s"].sel(machine=machine, kind=kind)
            label = f"{machine}, {kind}"
            panel.plot(
                result["prompt_tokens"], visible_ms, color=f"C{turn}", linestyle=style, label=label
            )
    panel.set(xlabel="prompt (tokens)", ylabel="visible transfer (ms)", ylim=(0.0, 40.0))
    panel.legend()
    return figure


def _visible_s(machine: str, kind: str) -> np.ndarray:
    server = instance(machine, _MODEL)
    return np.asarray(
        visible_transfer_s(
            as_arrays(_TOKENS),
            as_arrays(_seconds("prefill", machine, prompt_tokens=_TOKENS)),
            sm.transformer(_MODEL),
            (server, server),
            PHYSICAL,
            float(KV_TRANSFERS.index(kind)),
        )
    )


def _seconds(phase: str, machine: str, **batch: Any) -> Any:
    return sm.iteration_time(phase, model=_MODEL, machine=machine, **batch)
