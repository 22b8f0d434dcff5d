"""What tells one dense transformer from another, as a user states it, and its checks."""

from __future__ import annotations

import dataclasses

from splitmodel.errors import InputError
from splitmodel.parameters.profile import MODELS
from splitmodel.specs.entry import Entry
from splitmodel.specs.host_only import HostOnly
from splitmodel.specs.transformer import Transformer

DTYPE_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "float8": 1.0}
NORM_VECTORS = {"rms": 1.0, "layer": 2.0}
"""Vectors of parameters in a norm: a weight, and a bias with LayerNorm."""
BIASES = ("qkv", "attention_output", "mlp")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """One transformer; counts are whole numbers held as floats."""

    where: str
    """File and table it was read from, for messages."""
    layers: float
    hidden: float
    heads: float
    kv_heads: float
    head_dim: float
    ffn_hidden: float
    gated_mlp: bool
    vocab: float
    tied_embeddings: bool
    positions: float = 0.0
    norm: str
    norms_per_layer: float = 2.0
    embedding_norm: bool = False
    biases: frozenset[str] = frozenset()
    weight_dtype: str
    activation_dtype: str
    kv_dtype: str
    profile_row: float = -1.0
    simulator_weight_bytes: float = 0.0

    def __post_init__(self) -> None:
        """Check that KV heads share the query heads evenly."""
        if self.heads % self.kv_heads:
            raise InputError(
                f"{self.where}: {self.kv_heads:g} KV heads; allowed are divisors of the "
                f"{self.heads:g} query heads"
            )

    @property
    def norm_and_bias_parameters(self) -> float:
        """Parameters of norms, the final one included, and of biases, all layers together."""
        norms = self.layers * self.norms_per_layer + 1.0 + self.embedding_norm
        bias_widths = {
            "qkv": (self.heads + 2.0 * self.kv_heads) * self.head_dim,
            "attention_output": self.hidden,
            "mlp": (2.0 if self.gated_mlp else 1.0) * self.ffn_hidden + self.hidden,
        }
        biases = self.layers * sum(bias_widths[name] for name in self.biases)
        return norms * NORM_VECTORS[self.norm] * self.hidden + biases

    def transformer(self, label: str) -> Transformer:
        """The pytree of it."""
        return Transformer(
            layers=self.layers,
            hidden=self.hidden,
            heads=self.heads,
            kv_heads=self.kv_heads,
            head_dim=self.head_dim,
            ffn_hidden=self.ffn_hidden,
            mlp_matrices=3.0 if self.gated_mlp else 2.0,
            vocab=self.vocab,
            embedding_matrices=1.0 if self.tied_embeddings else 2.0,
            positions=self.positions,
            norm_and_bias_parameters=self.norm_and_bias_parameters,
            weight_element_bytes=DTYPE_BYTES[self.weight_dtype],
            activation_element_bytes=DTYPE_BYTES[self.activation_dtype],
            kv_element_bytes=DTYPE_BYTES[self.kv_dtype],
            profile_row=self.profile_row,
            simulator_weight_bytes=self.simulator_weight_bytes,
            label=HostOnly(label),
        )


def head_dim_of(entry: Entry, hidden: float, heads: float) -> float:
    """The entry's `head_dim`, else hidden / heads, which must then come out whole."""
    if "head_dim" not in entry and hidden % heads:
        raise InputError(
            f"{entry.where}: {heads:g} heads do not divide the hidden size {hidden:g}, "
            "and there is no head_dim"
        )
    return entry.count("head_dim", hidden // heads)


def read_architecture(entry: Entry) -> Architecture:
    """Read a `[models.NAME]` table of a catalogue file; its fields are listed in models.toml."""
    hidden, heads = entry.count("hidden"), entry.count("heads")
    dtype = entry.text("dtype", choices=DTYPE_BYTES)
    architecture = Architecture(
        where=entry.where,
        layers=entry.count("layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=entry.count("kv_heads", heads),
        head_dim=head_dim_of(entry, hidden, heads),
        ffn_hidden=entry.count("ffn_hidden"),
        gated_mlp=entry.flag("gated_mlp"),
        vocab=entry.count("vocab"),
        tied_embeddings=entry.flag("tied_embeddings"),
        positions=entry.count("positions", 0.0, positive=False),
        norm=entry.text("norm", choices=NORM_VECTORS),
        norms_per_layer=entry.count("norms_per_layer", 2.0),
        embedding_norm=entry.flag("embedding_norm", False),
        biases=entry.choices("biases", BIASES),
        weight_dtype=entry.text("weight_dtype", dtype, choices=DTYPE_BYTES),
        activation_dtype=dtype,
        kv_dtype=entry.text("kv_dtype", dtype, choices=DTYPE_BYTES),
        profile_row=entry.row("profile", MODELS),
        simulator_weight_bytes=1e9 * entry.number("simulator_weight_gb", 0.0, positive=False),
    )
    entry.refuse_unknown()
    return architecture
