"""KV-cache memory: bytes per token, capacity of an instance, and the largest batch that fits.

References:
    Patel et al., Splitwise, ISCA 2024, Insight V (token batching is bound by memory).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from splitmodel.iteration.instance import Instance
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Scalar


def kv_bytes_per_token(model: Transformer, semantics: Semantics) -> Scalar:
    """KV cache of one token of one request, all layers [bytes]."""
    if semantics.grouped_kv:
        return model.kv_bytes_per_token
    return 2.0 * model.layers * model.hidden * model.kv_element_bytes


def weight_bytes(model: Transformer, semantics: Semantics) -> Scalar:
    """Weights of one copy of the model [bytes]."""
    if not semantics.simulator_weights:
        return model.weight_bytes
    counted = model.simulator_weight_bytes
    return jnp.where(counted > 0.0, counted, model.weight_bytes)


# As one program: before a first answer, operations one by one take a tenth of a second.
@partial(jax.jit, static_argnames="semantics")
def kv_capacity_bytes(instance: Instance, model: Transformer, semantics: Semantics) -> Scalar:
    """Memory of one instance that is left for KV cache [bytes]; negative if weights do not fit.

    Where the group has more GPUs than the model has KV heads each GPU holds a whole head, so that
    part of the memory holds copies; the capacity counts distinct bytes.
    """
    hbm_bytes = instance.gpus * instance.machine.gpu.hbm_bytes * (1.0 - semantics.hbm_reserve)
    free_bytes = hbm_bytes - weight_bytes(model, semantics)
    if not semantics.grouped_kv:
        return free_bytes
    copies = jnp.maximum(instance.tensor_parallel / model.kv_heads, 1.0)
    return free_bytes / copies


def largest_batch(
    instance: Instance,
    model: Transformer,
    semantics: Semantics,
    request_tokens: Scalar,
    max_batch_size: Scalar,
) -> Scalar:
    """Requests of `request_tokens` KV tokens that fit one instance at once, as a real number.

    At least zero, where not even the weights fit, and at most `max_batch_size`.
    """
    request_bytes = request_tokens * kv_bytes_per_token(model, semantics)
    fitting = kv_capacity_bytes(instance, model, semantics) / request_bytes
    return jnp.clip(fitting, 0.0, max_batch_size)
