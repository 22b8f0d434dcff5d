"""The operations of one iteration: FLOP, HBM bytes and messages of each, with its data type.

All counts are those of one GPU of a tensor-parallel group, over all layers, so that the sum over
operations is the iteration of a whole instance; pipeline stages run one after the other.

References:
    Shoeybi et al., Megatron-LM, arXiv 1909.08053 (sharding, two all-reduces a layer);
    Williams et al., Roofline, CACM 52(4) 2009.
"""

from __future__ import annotations

import equinox as eqx
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
    """Operations of one iteration, in the order of the forward pass.

    Args:
        batch: what the iteration works on; leaves of any one shape.
        model: the transformer.
        tensor_parallel: GPUs that share each layer; must divide the query heads.
        pipeline_parallel: stages that share the layers.
    """
    tp, h, layers = tensor_parallel, model.hidden, model.layers
    attention_width = model.heads * model.head_dim
    # Where there are fewer KV heads than GPUs, each GPU holds a whole one.
    kv_width = jnp.maximum(model.kv_heads / tp, 1.0) * model.head_dim
    rows = batch.tokens
    sampled = batch.prompts + batch.decoding_requests
    none = jnp.zeros_like(rows)

    def gemm(rows: Scalar, inner: Scalar, outer: Scalar, repeats: Scalar) -> Operation:
        return Operation(
            flop=2.0 * rows * inner * outer * repeats,
            hbm_bytes=(
                inner * outer * model.weight_element_bytes
                + rows * (inner + outer) * model.activation_element_bytes
            )
            * repeats,
            messages=none,
            message_bytes=none,
            rows=rows,
            kind="gemm",
            element_bytes=model.weight_element_bytes,
        )

    hidden_bytes = rows * h * model.activation_element_bytes
    return [
        gemm(rows, h, attention_width / tp + 2.0 * kv_width, layers),
        Operation(
            flop=4.0 * batch.query_key_pairs * attention_width / tp * layers,
            hbm_bytes=none,
            messages=none,
            message_bytes=none,
            rows=rows,
            kind="prefill_attention",
            element_bytes=model.kv_element_bytes,
        ),
        Operation(
            flop=4.0 * batch.context_tokens * attention_width / tp * layers,
            hbm_bytes=2.0 * batch.context_tokens * kv_width * model.kv_element_bytes * layers,
            messages=none,
            message_bytes=none,
            rows=rows,
            kind="decode_attention",
            element_bytes=model.kv_element_bytes,
        ),
        gemm(rows, attention_width / tp, h, layers),
        gemm(rows, h, (model.mlp_matrices - 1.0) * model.ffn_hidden / tp, layers),
        gemm(rows, model.ffn_hidden / tp, h, layers),
        Operation(
            flop=none,
            hbm_bytes=ELEMENTWISE_BYTES_PER_HIDDEN
            * rows
            * h
            * layers
            * (model.activation_element_bytes / 2.0),
            messages=none,
            message_bytes=none,
            rows=rows,
            kind="elementwise",
            element_bytes=model.activation_element_bytes,
        ),
        Operation(
            flop=none,
            hbm_bytes=none,
            messages=none + jnp.where(tp > 1.0, 2.0 * layers, 0.0),
            message_bytes=hidden_bytes,
            rows=rows,
            kind="all_reduce",
            element_bytes=model.activation_element_bytes,
        ),
        Operation(
            flop=none,
            hbm_bytes=none,
            messages=none + (pipeline_parallel - 1.0),
            message_bytes=hidden_bytes,
            rows=rows,
            kind="send",
            element_bytes=model.activation_element_bytes,
        ),
        gemm(sampled, h, model.vocab / tp, 1.0),
    ]


def matrix_flop(listed: list[Operation]) -> Scalar:
    """FLOP of the weight matrix products on one GPU, attention excluded."""
    return sum((op.flop for op in listed if op.kind == "gemm"), start=jnp.zeros(()))
