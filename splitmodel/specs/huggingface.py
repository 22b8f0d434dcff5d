"""A transformer from the config.json of a model on the Hugging Face hub.

What a config.json leaves out has a default that depends on its family; the defaults here are those
of the classes in `transformers` (`LlamaConfig` and so on), of which only the shapes matter.
"""

from __future__ import annotations

from typing import Any

from splitmodel.errors import InputError, unknown_name
from splitmodel.specs.architecture import BIASES, Architecture, head_dim_of
from splitmodel.specs.entry import Entry

DTYPES = {
    "float32": "float32",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "float8_e4m3fn": "float8",
    "float8_e5m2": "float8",
}
EXPERT_COUNTS = ("num_local_experts", "num_experts", "n_routed_experts")
OPT_POSITION_OFFSET = 2.0
"""`OPTLearnedPositionalEmbedding` has two rows more than positions."""


def read_config(config: Entry) -> Architecture:
    """Read a config.json of one of the families in FAMILIES.

    Where it names no dtype, weights are taken as float16, as servers load them. Sliding windows of
    attention are not modelled: every token attends to its whole context.

    Raises:
        InputError: for a family that is not supported, a mixture of experts, quantised weights, or
            a field that is missing or out of range.
    """
    family = config.text("model_type")
    if any(key in config and config.count(key, positive=False) > 1.0 for key in EXPERT_COUNTS):
        raise InputError(
            f"{config.where}: {family!r} is a mixture of experts; only dense models are supported"
        )
    if family not in FAMILIES:
        raise InputError(
            f"{config.field('model_type')}: family {family!r} is not supported; "
            f"supported are {', '.join(FAMILIES)}"
        )
    if "quantization_config" in config:
        raise InputError(
            f"{config.field('quantization_config')}: quantised weights are not supported; use the "
            "config.json of the model before quantisation"
        )
    return FAMILIES[family](config)


def _llama(config: Entry) -> Architecture:
    """Llama: RMSNorm, gated MLP, rotary positions, optional biases."""
    attention = {"qkv", "attention_output"} if config.flag("attention_bias", False) else set()
    mlp = {"mlp"} if config.flag("mlp_bias", False) else set()
    heads = _count(config, "num_attention_heads")
    return _gated(config, frozenset(attention | mlp), config.count("num_key_value_heads", heads))


def _mistral(config: Entry) -> Architecture:
    """Mistral: Llama without biases."""
    return _gated(config, frozenset(), config.count("num_key_value_heads"))


def _qwen2(config: Entry) -> Architecture:
    """Qwen2 and Qwen2.5: Llama with biases on query, key and value."""
    return _gated(config, frozenset({"qkv"}), config.count("num_key_value_heads"))


def _gated(config: Entry, biases: frozenset[str], kv_heads: float) -> Architecture:
    return Architecture(
        **_common(config, tied=False),
        kv_heads=kv_heads,
        ffn_hidden=config.count("intermediate_size"),
        gated_mlp=True,
        norm="rms",
        biases=biases,
    )


def _opt(config: Entry) -> Architecture:
    """OPT: learned positions; LayerNorm before each block."""
    common = _common(config, tied=True)
    width = config.count("word_embed_proj_dim", common["hidden"])
    if width != common["hidden"] or not config.flag("do_layer_norm_before", True):
        raise InputError(
            f"{config.field('word_embed_proj_dim')}: {width:g} with do_layer_norm_before="
            f"{config.flag('do_layer_norm_before', True)} is not supported; supported is "
            f"{common['hidden']:g}, the hidden size, with normalisation before each block"
        )
    return Architecture(
        **common,
        kv_heads=common["heads"],
        ffn_hidden=config.count("ffn_dim"),
        gated_mlp=False,
        positions=config.count("max_position_embeddings") + OPT_POSITION_OFFSET,
        norm="layer",
        biases=frozenset(BIASES if config.flag("enable_bias", True) else ()),
    )


def _bloom(config: Entry) -> Architecture:
    """BLOOM: ALiBi, a norm after the embedding, biases everywhere."""
    common = _common(config, tied=True)
    return Architecture(
        **common,
        kv_heads=common["heads"],
        ffn_hidden=config.count("n_inner", 4.0 * common["hidden"]),
        gated_mlp=False,
        norm="layer",
        embedding_norm=True,
        biases=frozenset(BIASES),
    )


def _gpt_neox(config: Entry) -> Architecture:
    """GPT-NeoX: rotary positions, separate LM head."""
    common = _common(config, tied=False)
    attention = {"qkv", "attention_output"} if config.flag("attention_bias", True) else set()
    return Architecture(
        **common,
        kv_heads=common["heads"],
        ffn_hidden=config.count("intermediate_size"),
        gated_mlp=False,
        norm="layer",
        biases=frozenset(attention | {"mlp"}),
    )


def _falcon(config: Entry) -> Architecture:
    """Falcon: grouped queries in the new decoder architecture, else one KV head or all."""
    common = _common(config, tied=True)
    grouped = config.flag("new_decoder_architecture", False)
    if grouped:
        kv_heads = config.count("num_kv_heads", common["heads"])
    else:
        kv_heads = 1.0 if config.flag("multi_query", True) else common["heads"]
    one_norm = config.flag("parallel_attn", True) and not grouped
    norms = config.count("num_ln_in_parallel_attn", 1.0 if one_norm else 2.0)
    return Architecture(
        **common,
        kv_heads=kv_heads,
        ffn_hidden=config.count("ffn_hidden_size", 4.0 * common["hidden"]),
        gated_mlp=False,
        norm="layer",
        norms_per_layer=norms,
        biases=frozenset(BIASES if config.flag("bias", False) else ()),
    )


FAMILIES = {
    "llama": _llama,
    "mistral": _mistral,
    "qwen2": _qwen2,
    "opt": _opt,
    "bloom": _bloom,
    "gpt_neox": _gpt_neox,
    "falcon": _falcon,
}
"""`model_type` of a config.json → its reader."""


def _common(config: Entry, *, tied: bool) -> dict[str, Any]:
    """Fields that every family has; `tied` is the family's default."""
    hidden = _count(config, "hidden_size", "n_embed")
    heads = _count(config, "num_attention_heads", "n_head")
    weights = _dtype(config)
    computed = "bfloat16" if weights == "float8" else weights
    return {
        "where": config.where,
        "layers": _count(config, "num_hidden_layers", "n_layer"),
        "hidden": hidden,
        "heads": heads,
        "head_dim": head_dim_of(config, hidden, heads),
        "vocab": config.count("vocab_size"),
        "tied_embeddings": config.flag("tie_word_embeddings", tied),
        "weight_dtype": weights,
        "activation_dtype": computed,
        "kv_dtype": computed,
    }


def _count(config: Entry, *keys: str) -> float:
    """A whole number under the first of its names that is there."""
    return config.count(next((key for key in keys if key in config), keys[0]))


def _dtype(config: Entry) -> str:
    key = "dtype" if "dtype" in config else "torch_dtype"
    name = config.text(key, "float16").removeprefix("torch.")
    if name not in DTYPES:
        raise unknown_name(config.field(key), name, DTYPES)
    return DTYPES[name]
