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
    """Name, host side only."""

    @property
    def query_width(self) -> Scalar:
        """Width of all query heads together, which need not be `hidden`."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> Scalar:
        """Width of all keys of a token; its values have the same."""
        return self.kv_heads * self.head_dim

    @property
    def layer_matrix_parameters(self) -> Scalar:
        """Parameters of one layer's matrices: query, key, value, attention output and MLP."""
        attention = self.hidden * (2.0 * self.query_width + 2.0 * self.kv_width)
        return attention + self.mlp_matrices * self.hidden * self.ffn_hidden

    @property
    def parameters(self) -> Scalar:
        """Parameters in total; a tied embedding counts once."""
        return (
            self.layers * self.layer_matrix_parameters
            + self.embedding_matrices * self.vocab * self.hidden
            + self.positions * self.hidden
            + self.norm_and_bias_parameters
        )

    @property
    def parameters_without_input_embedding(self) -> Scalar:
        """N of "2·N FLOP per token": parameters that a sampled token is multiplied by.

        The LM head stays, also where it is tied to the input embedding, whose rows are looked up
        and not multiplied.

        References:
            Kaplan et al., Scaling Laws for Neural Language Models, arXiv 2001.08361, section 2.1.
        """
        looked_up = (self.embedding_matrices - 1.0) * self.vocab + self.positions
        return self.parameters - looked_up * self.hidden

    @property
    def weight_bytes(self) -> Scalar:
        """Bytes of all parameters [bytes]."""
        return self.parameters * self.weight_element_bytes

    @property
    def kv_bytes_per_token(self) -> Scalar:
        """Keys and values of one token in all layers [bytes], every KV head counted once."""
        return 2.0 * self.layers * self.kv_width * self.kv_element_bytes
