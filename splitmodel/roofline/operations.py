"""The operations of one iteration: FLOP, HBM bytes and messages of each, with its data type.

All counts are those of one GPU of a tensor-parallel group, over all layers, so that the sum over
operations is the iteration of a whole instance; pipeline stages run one after the other.

References:
    Shoeybi et al., Megatron-LM, arXiv 1909.08053 (sharding, two all-reduces a layer);
    Williams et al., Roofline, CACM 52(4) 2009.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from splitmodel.roofline.batch import Batch
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Scalar


class Operation(eqx.Module):
    """Counts of one operation on one GPU, all layers together."""

    flop: Scalar
    hbm_bytes: Scalar
    messages: Scalar
    """Collectives issued."""
    message_bytes: Scalar
    """Payload of each [bytes]."""
    rows: Scalar
    """Rows of a matrix product, on which its efficiency depends."""
    kind: str = eqx.field(static=True)
    """"gemm" | "prefill_attention" | "decode_attention" | "elementwise" | "all_reduce" | "send"."""
    element_bytes: Scalar = 2.0
    """Size of the data type that the operation computes or moves [bytes]."""


ELEMENTWISE_BYTES_PER_HIDDEN = 24.0
"""HBM traffic of norms, residuals and activations per token, layer and hidden unit [bytes at
fp16], as the fit of the published profile has it."""


def operations(
    batch: Batch, model: Transformer, tensor_parallel: Scalar, pipeline_parallel: Scalar
) -> list[Operation]:
    """Operations of one iteration; that of kind "gemm" is the five of `matrix_products`.

    Args:
        batch: what the iteration works on; leaves of any one shape.
        model: the transformer.
        tensor_parallel: GPUs that share each layer; must divide the query heads.
        pipeline_parallel: stages that share the layers.
    """
    tp, h, layers = tensor_parallel, model.hidden, model.layers
    attention_width = model.heads * model.head_dim / tp
    rows = batch.tokens
    none = jnp.zeros_like(rows)
    activation_bytes, kv_bytes = model.activation_element_bytes, model.kv_element_bytes
    hidden_bytes = rows * h * activation_bytes

    def operation(kind: str, element_bytes: Scalar, **counts: Scalar) -> Operation:
        zero = dict.fromkeys(("flop", "hbm_bytes", "messages", "message_bytes"), none)
        return Operation(rows=rows, kind=kind, element_bytes=element_bytes, **{**zero, **counts})

    return [
        matrix_products(batch, model, tp),
        operation(
            "prefill_attention",
            kv_bytes,
            flop=4.0 * batch.query_key_pairs * attention_width * layers,
        ),
        operation(
            "decode_attention",
            kv_bytes,
            flop=4.0 * batch.context_tokens * attention_width * layers,
            hbm_bytes=2.0 * batch.context_tokens * _kv_width(model, tp) * kv_bytes * layers,
        ),
        operation(
            "elementwise",
            activation_bytes,
            hbm_bytes=0.5 * ELEMENTWISE_BYTES_PER_HIDDEN * hidden_bytes * layers,
        ),
        operation(
            "all_reduce",
            activation_bytes,
            messages=none + jnp.where(tp > 1.0, 2.0 * layers, 0.0),
            message_bytes=hidden_bytes,
        ),
        operation(
            "send",
            activation_bytes,
            messages=none + (pipeline_parallel - 1.0),
            message_bytes=hidden_bytes,
        ),
    ]


def matrix_products(batch: Batch, model: Transformer, tensor_parallel: Scalar) -> Operation:
    """The products with weight matrices, along a new first axis, in order of the forward pass.

    Projections to queries, keys and values, from attention, into and out of the feed-forward
    network, and to the vocabulary. Arguments as in `operations`.
    """
    tp, h, layers = tensor_parallel, model.hidden, model.layers
    attention_width = model.heads * model.head_dim / tp
    ffn_width = model.ffn_hidden / tp
    rows = batch.tokens
    sampled = batch.prompts + batch.decoding_requests

    @jax.vmap
    def product(rows: Scalar, inner: Scalar, outer: Scalar, repeats: Scalar) -> Operation:
        weights, activations = inner * outer, rows * (inner + outer)
        hbm_bytes = (
            weights * model.weight_element_bytes + activations * model.activation_element_bytes
        )
        none = jnp.zeros_like(rows)
        return Operation(
            flop=2.0 * rows * weights * repeats,
            hbm_bytes=hbm_bytes * repeats,
            messages=none,
            message_bytes=none,
            rows=rows,
            kind="gemm",
            element_bytes=model.weight_element_bytes,
        )

    def each(*values: Scalar) -> Scalar:
        return jnp.stack(jnp.broadcast_arrays(*values))

    return product(
        each(rows, rows, rows, rows, sampled),
        each(h, attention_width, h, ffn_width, h),
        each(
            attention_width + 2.0 * _kv_width(model, tp),
            h,
            (model.mlp_matrices - 1.0) * ffn_width,
            h,
            model.vocab / tp,
        ),
        each(layers, layers, layers, layers, jnp.ones_like(layers)),
    )


def _kv_width(model: Transformer, tensor_parallel: Scalar) -> Scalar:
    """Width of keys, or of values, on one GPU."""
    # Where there are fewer KV heads than GPUs, each GPU holds a whole one.
    return jnp.maximum(model.kv_heads / tensor_parallel, 1.0) * model.head_dim
