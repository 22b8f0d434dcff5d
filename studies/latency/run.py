"""Times of a prompt and of a token by the calibrated roofline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel_studies.machines import MACHINES
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODELS = ("bloom-176b", "llama2-70b")
_PROMPT_TOKENS = np.arange(128.0, 4097.0, 128.0)
_BATCH = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
_CONTEXT_TOKENS = 512.0 + 64.0
"""Mean context of the profile's batches: prompts of 512 and 128 output tokens."""
_PROMPT, _OUTPUT = 1020.0, 129.0
"""Median conversation request, Insight I."""


def run() -> xr.Dataset:
    """TTFT over the prompt, time between tokens over the batch, and what follows from them."""
    pairs = [(model, machine) for model in _MODELS for machine in MACHINES]
    ttft_s = [_seconds("prefill", pair, prompt_tokens=_PROMPT_TOKENS) for pair in pairs]
    tbt_s = [
        _seconds("decode", pair, batch_size=_BATCH, context_tokens=_CONTEXT_TOKENS)
        for pair in pairs
    ]
    bloom = ("bloom-176b", "DGX-H100")
    long_s = _seconds("prefill", bloom, prompt_tokens=1500.0)
    step_s = _seconds("decode", bloom, context_tokens=1500.0)
    prompt_s = _seconds("prefill", bloom, prompt_tokens=_PROMPT)
    tokens_s = (_OUTPUT - 1.0) * _seconds("decode", bloom, context_tokens=_PROMPT + 0.5 * _OUTPUT)
    place = pairs.index(bloom)
    return xr.Dataset(
        {
            "ttft_s": (("pair", "prompt_tokens"), ttft_s, {"units": "s"}),
            "tbt_s": (("pair", "batch_size"), tbt_s, {"units": "s"}),
            "ttft_linearity": float(np.corrcoef(_PROMPT_TOKENS, ttft_s[place])[0, 1] ** 2),
            "tbt_at_64_over_1": float(tbt_s[place][-1] / tbt_s[place][0]),
            "prompt_in_output_tokens": float(long_s / step_s),
            "decode_share": float(tokens_s / (prompt_s + tokens_s)),
        },
        coords={
            "pair": [f"{model}, {machine}" for model, machine in pairs],
            "prompt_tokens": _PROMPT_TOKENS,
            "batch_size": _BATCH,
        },
    )


def plot(result: xr.Dataset) -> Figure:
    """TTFT over the prompt, and time between tokens over the batch."""
    figure, (above, below) = panels(2)
    for pair in result["pair"].values:
        own = 1e3 * result[["ttft_s", "tbt_s"]].sel(pair=pair)
        above.plot(result["prompt_tokens"], own["ttft_s"], label=pair)
        below.plot(result["batch_size"], own["tbt_s"], marker="o", label=pair)
    above.set(xlabel="prompt (tokens)", ylabel="TTFT (ms)", ylim=(0.0, None))
    below.set(xlabel="requests in the batch", ylabel="TBT (ms)", ylim=(0.0, None))
    above.legend()
    return figure


def _seconds(phase: str, pair: tuple[str, str], **batch: Any) -> np.ndarray:
    model, machine = pair
    return np.asarray(sm.iteration_time(phase, model=model, machine=machine, **batch))
