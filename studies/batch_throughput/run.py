"""Tokens per second of both phases by the calibrated roofline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.parameters.profile import GPUS, MODELS, TENSOR_PARALLEL, published_profile
from splitmodel_studies.machines import MACHINES
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODEL = "bloom-176b"
_PROMPT_TOKENS = 512.0
"""Prompt of the profile's batches."""
_PROMPTS = np.arange(1.0, 17.0)
_BATCH = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])


def run() -> xr.Dataset:
    """Throughput over batched prompt tokens, and over requests that generate."""
    prompt, token = [], []
    for machine in MACHINES:
        asked: dict[str, Any] = {"model": _MODEL, "machine": machine}
        prefill_s = sm.iteration_time(
            "prefill", **asked, batch_size=_PROMPTS, prompt_tokens=_PROMPT_TOKENS
        )
        decode_s = sm.iteration_time(
            "decode", **asked, batch_size=_BATCH, context_tokens=_PROMPT_TOKENS
        )
        prompt.append(_PROMPTS * _PROMPT_TOKENS / prefill_s)
        token.append(_BATCH / decode_s)
    best = int(np.argmax(prompt[MACHINES.index("DGX-H100")]))
    profile = published_profile()
    row = MODELS.index(_MODEL), GPUS.index("h100-80gb"), TENSOR_PARALLEL.index(8)
    measured = profile.batched_tokens / profile.prefill_s[row]
    fall = int(np.argmin(measured[1:] / measured[:-1]))
    gain = token[MACHINES.index("DGX-H100")]
    units = {"units": "tokens/s"}
    return xr.Dataset(
        {
            "prompt_throughput": (("machine", "batched_tokens"), prompt, units),
            "token_throughput": (("machine", "batch_size"), token, units),
            "best_prompt_tokens": _PROMPTS[best] * _PROMPT_TOKENS,
            "falls_from_tokens": profile.batched_tokens[fall],
            "falls_to_tokens": profile.batched_tokens[fall + 1],
            "token_gain_at_64": float(gain[-1] / gain[-2]),
        },
        coords={
            "machine": list(MACHINES),
            "batched_tokens": _PROMPTS * _PROMPT_TOKENS,
            "batch_size": _BATCH,
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """Throughput of the prompt phase above, of the token phase below."""
    figure, (above, below) = panels(2)
    for machine in result["machine"].values:
        own = result.sel(machine=machine)
        above.plot(own["batched_tokens"], own["prompt_throughput"], marker="o", label=machine)
        below.plot(own["batch_size"], own["token_throughput"], marker="o", label=machine)
    above.set(xlabel="batched prompt tokens", ylabel="prompt tokens/s", ylim=(0.0, None))
    below.set(xlabel="requests in the batch", ylabel="output tokens/s", ylim=(0.0, None))
    above.legend()
    return figure
