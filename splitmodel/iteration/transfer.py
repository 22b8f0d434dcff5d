"""KV-cache transfer from the prompt to the token machine over InfiniBand.

References:
    Patel et al., Splitwise, ISCA 2024, section IV-D and Figures 11, 14: serialized transfer grows
    with the prompt; layer-wise transfer leaves about 8 ms on A100 (200 Gb/s a GPU) and 5 ms on
    H100 (400 Gb/s); serialized is the better one below 512 prompt tokens on H100.
"""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.iteration.instance import Instance
from splitmodel.iteration.memory import kv_bytes_per_token
from splitmodel.specs.cluster import KV_TRANSFERS
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Scalar

# The two published plateaus as time = synchronisation + bytes/bandwidth of an 8-GPU machine
# (8 ms at 200 GB/s and 5 ms at 400 GB/s), solved for the two unknowns.
LAYERWISE_SYNC_S = 2e-3
LAYERWISE_TAIL_BYTES = 1.2e9


def link_bytes_per_s(sender: Instance, receiver: Instance, semantics: Semantics) -> Scalar:
    """Bandwidth between two instances [bytes/s]: each has its GPUs' share of the machine's links.

    The slower end decides.
    """
    if semantics.transfer_bytes_per_s is not None:
        return jnp.asarray(semantics.transfer_bytes_per_s, dtype=float)
    ends = [
        end.machine.infiniband_bytes_per_s * end.gpus / end.machine.gpus
        for end in (sender, receiver)
    ]
    return jnp.minimum(ends[0], ends[1])


def visible_transfer_s(
    prompt_tokens: Scalar,
    prefill_s: Scalar,
    model: Transformer,
    ends: tuple[Instance, Instance],
    semantics: Semantics,
    kv_transfer: Scalar,
) -> Scalar:
    """Delay that KV transfer adds between first and second token [s]; shape of `prompt_tokens`.

    Args:
        prompt_tokens: tokens whose KV cache moves.
        prefill_s: time of their prefill, behind which layer-wise transfer hides.
        model: the transformer.
        ends: sending and receiving instance.
        semantics: whether transfer can overlap, and the bandwidth where it is fixed.
        kv_transfer: index into KV_TRANSFERS; "auto" takes the faster of the two.
    """
    bandwidth = link_bytes_per_s(*ends, semantics)
    serialized_s = prompt_tokens * kv_bytes_per_token(model, semantics) / bandwidth
    moved = kv_transfer != float(KV_TRANSFERS.index("none"))
    if not semantics.overlap:
        return jnp.where(moved, serialized_s, 0.0)
    sender = ends[0]
    # Both plateaus were measured on whole machines; a smaller instance moves a smaller cache.
    tail_bytes = LAYERWISE_TAIL_BYTES * sender.gpus / sender.machine.gpus
    hidden_s = jnp.maximum(serialized_s - prefill_s, 0.0)
    layerwise_s = LAYERWISE_SYNC_S + tail_bytes / bandwidth + hidden_s
    chosen_s = jnp.where(
        kv_transfer == float(KV_TRANSFERS.index("serialized")),
        serialized_s,
        jnp.where(
            kv_transfer == float(KV_TRANSFERS.index("layerwise")),
            layerwise_s,
            jnp.minimum(serialized_s, layerwise_s),
        ),
    )
    return jnp.where(moved, chosen_s, 0.0)
