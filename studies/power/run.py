"""Power of the GPUs while a phase runs, over their TDP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.iteration.power import decode_share, prefill_share
from splitmodel.iteration.roofline_timing import Roofline
from splitmodel.roofline.batch import decode_batch, prefill_batch
from splitmodel.specs.leaves import as_arrays
from splitmodel_studies.machines import MACHINES, instance
from splitmodel_studies.style import panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODEL = "bloom-176b"
_PROMPT_TOKENS = np.array([128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0])
_BATCH = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
_CONTEXT_TOKENS = 512.0


def run() -> xr.Dataset:
    """Shares of TDP over batched prompt tokens, and over requests that generate."""
    model = sm.transformer(_MODEL)
    prompt, token = [], []
    for machine in MACHINES:
        server = instance(machine, _MODEL)
        prompts = prefill_batch(as_arrays(_PROMPT_TOKENS))
        decodes = decode_batch(as_arrays(_BATCH), _CONTEXT_TOKENS)
        step_s = Roofline().iteration_s(decodes, model, server)
        prompt.append(np.asarray(prefill_share(prompts, model, server)))
        token.append(np.asarray(decode_share(decodes, model, server, step_s)))
    shares = xr.Dataset(
        {
            "prompt_share": (("machine", "batched_tokens"), prompt),
            "token_share": (("machine", "batch_size"), token),
        },
        coords={
            "machine": list(MACHINES),
            "batched_tokens": _PROMPT_TOKENS,
            "batch_size": _BATCH,
        },
    )
    prompt_share = shares["prompt_share"].sel(machine="DGX-A100")
    token_share = shares["token_share"].sel(machine="DGX-A100")
    rise = token_share / token_share.sel(batch_size=1.0)
    most = float(prompt_share.sel(batched_tokens=4096.0))
    return shares.assign(
        prompt_power=most,
        prompt_power_rise=most / float(prompt_share.sel(batched_tokens=512.0)),
        token_power_rise=float(rise.sel(batch_size=32.0)),
        token_power_rise_at_16=float(rise.sel(batch_size=16.0)),
    )


def plot(result: xr.Dataset) -> Figure:
    """Power of the prompt phase above, of the token phase below."""
    figure, (above, below) = panels(2)
    for machine in result["machine"].values:
        own = 100.0 * result[["prompt_share", "token_share"]].sel(machine=machine)
        above.plot(result["batched_tokens"], own["prompt_share"], marker="o", label=machine)
        below.plot(result["batch_size"], own["token_share"], marker="o", label=machine)
    above.set(xlabel="batched prompt tokens", ylabel="prompt power (% of TDP)", ylim=(0.0, 110.0))
    below.set(xlabel="requests in the batch", ylabel="token power (% of TDP)", ylim=(0.0, 110.0))
    below.legend()
    return figure
