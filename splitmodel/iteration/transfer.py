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


def link_bytes_per_s(instance: Instance, semantics: Semantics) -> Scalar:
    """Bandwidth of an instance, one direction [bytes/s]: its GPUs' share of the machine's links."""
    if semantics.transfer_bytes_per_s is not None:
        return jnp.asarray(semantics.transfer_bytes_per_s, dtype=float)
    return instance.machine.infiniband_bytes_per_s * instance.gpus / instance.machine.gpus


def token_link_s(
    instance: Instance, model: Transformer, semantics: Semantics, kv_transfer: Scalar
) -> Scalar:
    """Time that the KV cache of one prompt token keeps an instance's link busy [s]."""
    busy_s = kv_bytes_per_token(model, semantics) / link_bytes_per_s(instance, semantics)
    return jnp.where(kv_transfer == float(KV_TRANSFERS.index("none")), 0.0, busy_s)


def layerwise_lag_s(sender: Instance, receiver: Instance, semantics: Semantics) -> Scalar:
    """What layer-wise transfer leaves after prefill, however fast the link [s]."""
    ends = [link_bytes_per_s(end, semantics) for end in (sender, receiver)]
    # Both plateaus were measured on whole machines; a smaller instance moves a smaller cache.
    tail_bytes = LAYERWISE_TAIL_BYTES * sender.gpus / sender.machine.gpus
    return LAYERWISE_SYNC_S + tail_bytes / jnp.minimum(ends[0], ends[1])


def visible_transfer_s(
    prompt_tokens: Scalar,
    prefill_s: Scalar,
    model: Transformer,
    ends: tuple[Instance, Instance],
    semantics: Semantics,
    kv_transfer: Scalar,
) -> Scalar:
    """Delay that KV transfer adds between first and second token [s]; shape of `prompt_tokens`.

    That of a transfer which has the links of both ends to itself; the slower one decides.

    Args:
        prompt_tokens: tokens whose KV cache moves.
        prefill_s: time of their prefill, behind which layer-wise transfer hides.
        model: the transformer.
        ends: sending and receiving instance.
        semantics: whether transfer can overlap, and the bandwidth where it is fixed.
        kv_transfer: index into KV_TRANSFERS; "auto" takes the faster of the two.
    """
    token_s = [token_link_s(end, model, semantics, kv_transfer) for end in ends]
    serialized_s = prompt_tokens * jnp.maximum(token_s[0], token_s[1])
    if not semantics.overlap:
        return serialized_s
    hidden_s = jnp.maximum(serialized_s - prefill_s, 0.0)
    layerwise_s = layerwise_lag_s(*ends, semantics) + hidden_s
    return jnp.where(
        kv_transfer == float(KV_TRANSFERS.index("serialized")),
        serialized_s,
        jnp.where(
            kv_transfer == float(KV_TRANSFERS.index("layerwise")),
            layerwise_s,
            # Without any transfer, the first of these is zero.
            jnp.minimum(serialized_s, layerwise_s),
        ),
    )
