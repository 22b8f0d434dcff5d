"""A dense transformer as a pytree of numbers: shapes, parameter counts, KV bytes."""

from __future__ import annotations

import equinox as eqx

from splitmodel.specs.host_only import HostOnly
from splitmodel.units import Scalar


class Transformer(eqx.Module):
    """A dense decoder-only transformer with MHA, GQA or MQA attention."""

    layers: Scalar
    hidden: Scalar
    heads: Scalar
    kv_heads: Scalar
    head_dim: Scalar
    ffn_hidden: Scalar
    """Width of the MLP's inner layer."""
    mlp_matrices: Scalar
    """3 for a gated MLP (gate, up, down), 2 otherwise."""
    vocab: Scalar
    embedding_matrices: Scalar
    """2 for separate input embedding and LM head, 1 where they are tied."""
    positions: Scalar
    """Rows of a learned position embedding; 0 for rotary or ALiBi."""
    norm_and_bias_parameters: Scalar
    """Parameters of norms and biases, all layers together."""
    weight_element_bytes: Scalar
    activation_element_bytes: Scalar
    kv_element_bytes: Scalar
    profile_row: Scalar
    """Row of this model in the published profile digest; -1 where it was not measured."""
    simulator_weight_bytes: Scalar
    """Weights as the authors' simulator counts them [bytes]; 0 where it does not know the model."""
    label: HostOnly[str] = eqx.field(static=True)
