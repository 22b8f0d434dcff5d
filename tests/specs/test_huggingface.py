"""Transformers from Hugging Face config.json files, against the parameters of the checkpoints."""

import json

import pytest

from splitmodel.errors import InputError
from splitmodel.specs.catalogue import transformer

LLAMA2_7B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 32,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "vocab_size": 32000,
}
# Query width 32·128 = 4096 differs from the hidden size.
MISTRAL_NEMO = {
    "model_type": "mistral",
    "head_dim": 128,
    "hidden_size": 5120,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 40,
    "num_key_value_heads": 8,
    "sliding_window": None,
    "torch_dtype": "bfloat16",
    "vocab_size": 131072,
}
QWEN2_5_72B = {
    "model_type": "qwen2",
    "hidden_size": 8192,
    "intermediate_size": 29568,
    "num_attention_heads": 64,
    "num_hidden_layers": 80,
    "num_key_value_heads": 8,
    "dtype": "bfloat16",
    "vocab_size": 152064,
}
QWEN2_0_5B = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 151936,
}
OPT_66B = {
    "model_type": "opt",
    "ffn_dim": 36864,
    "hidden_size": 9216,
    "max_position_embeddings": 2048,
    "num_attention_heads": 72,
    "num_hidden_layers": 64,
    "torch_dtype": "float16",
    "vocab_size": 50272,
    "word_embed_proj_dim": 9216,
}
BLOOM_176B = {
    "model_type": "bloom",
    "n_embed": 14336,
    "n_layer": 70,
    "num_attention_heads": 112,
    "vocab_size": 250880,
}
BLOOM_7B1 = {
    "model_type": "bloom",
    "hidden_size": 4096,
    "n_head": 32,
    "n_inner": None,
    "n_layer": 30,
    "vocab_size": 250880,
}
GPT_NEOX_20B = {
    "model_type": "gpt_neox",
    "hidden_size": 6144,
    "intermediate_size": 24576,
    "num_attention_heads": 64,
    "num_hidden_layers": 44,
    "torch_dtype": "float16",
    "vocab_size": 50432,
}
FALCON_RW_1B = {
    "model_type": "falcon",
    "alibi": True,
    "bias": True,
    "hidden_size": 2048,
    "multi_query": False,
    "new_decoder_architecture": False,
    "num_attention_heads": 32,
    "num_hidden_layers": 24,
    "num_kv_heads": 32,
    "parallel_attn": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 50304,
}
# As published: without the flag it would have 71 KV heads, which num_kv_heads wrongly says.
FALCON_7B = {
    "model_type": "falcon",
    "bias": False,
    "hidden_size": 4544,
    "multi_query": True,
    "new_decoder_architecture": False,
    "num_attention_heads": 71,
    "num_hidden_layers": 32,
    "num_kv_heads": 71,
    "parallel_attn": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 65024,
}
FALCON_40B = {
    "model_type": "falcon",
    "bias": False,
    "hidden_size": 8192,
    "multi_query": True,
    "new_decoder_architecture": True,
    "num_attention_heads": 128,
    "num_hidden_layers": 60,
    "num_kv_heads": 8,
    "parallel_attn": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 65024,
}
FALCON_180B = FALCON_40B | {
    "hidden_size": 14848,
    "num_attention_heads": 232,
    "num_hidden_layers": 80,
}

# config, parameters of the checkpoint, KV heads, head size, KV bytes per token
KNOWN = {
    "llama2-7b": (LLAMA2_7B, 6_738_415_616, 32, 128, 2 * 32 * 4096 * 2),
    "mistral-nemo": (MISTRAL_NEMO, 12_247_782_400, 8, 128, 2 * 40 * 1024 * 2),
    "qwen2.5-72b": (QWEN2_5_72B, 72_706_203_648, 8, 128, 327_680),
    "qwen2-0.5b": (QWEN2_0_5B, 494_032_768, 2, 64, 2 * 24 * 128 * 2),
    "opt-66b": (OPT_66B, 65_719_701_504, 72, 128, 2 * 64 * 9216 * 2),
    "bloom-176b": (BLOOM_176B, 176_247_271_424, 112, 128, 4_014_080),
    "bloom-7b1": (BLOOM_7B1, 7_069_016_064, 32, 128, 2 * 30 * 4096 * 2),
    "gpt-neox-20b": (GPT_NEOX_20B, 20_554_567_680, 64, 96, 2 * 44 * 6144 * 2),
    "falcon-rw-1b": (FALCON_RW_1B, 1_311_625_216, 32, 64, 2 * 24 * 2048 * 2),
    "falcon-7b": (FALCON_7B, 6_921_720_704, 1, 64, 2 * 32 * 64 * 2),
    "falcon-40b": (FALCON_40B, 41_303_293_952, 8, 64, 2 * 60 * 8 * 64 * 2),
    # The checkpoint holds the tied LM head a second time.
    "falcon-180b": (FALCON_180B, 179_522_565_120 - 65024 * 14848, 8, 64, 2 * 80 * 8 * 64 * 2),
}


@pytest.fixture
def load(tmp_path):
    """Writes a configuration to a config.json and reads it."""

    def read(config):
        path = tmp_path / "config.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        return transformer(path)

    return read


@pytest.mark.parametrize(
    ("config", "parameters", "kv_heads", "head_dim", "kv_bytes_per_token"),
    KNOWN.values(),
    ids=KNOWN,
)
def test_known_models(load, config, parameters, kv_heads, head_dim, kv_bytes_per_token):
    model = load(config)
    assert model.parameters == parameters
    assert (model.kv_heads, model.head_dim) == (kv_heads, head_dim)
    assert model.kv_bytes_per_token == kv_bytes_per_token


@pytest.mark.parametrize(
    ("name", "config"),
    {"qwen2.5-72b": QWEN2_5_72B, "opt-66b": OPT_66B, "bloom-176b": BLOOM_176B}.items(),
)
def test_config_equals_the_catalogue(load, name, config):
    model, catalogue = load(config), transformer(name)
    shapes = ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn_hidden", "mlp_matrices")
    counts = ("vocab", "embedding_matrices", "positions", "norm_and_bias_parameters")
    for field in shapes + counts:
        assert getattr(model, field) == getattr(catalogue, field), field


def test_a_folder_and_a_file_of_another_name(tmp_path):
    folder = tmp_path / "my-llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA2_7B))
    (tmp_path / "small.json").write_text(json.dumps(LLAMA2_7B))
    assert transformer(folder).label.value == "my-llama"
    assert transformer(str(folder / "config.json")).label.value == "my-llama"
    assert transformer(tmp_path / "small.json").label.value == "small"


def test_llama_without_kv_heads_has_one_for_each_head(load):
    old = {key: value for key, value in LLAMA2_7B.items() if key != "num_key_value_heads"}
    assert load(old).kv_heads == 32


def test_optional_biases(load):
    plain = load(LLAMA2_7B).parameters
    assert load(LLAMA2_7B | {"attention_bias": True}).parameters == plain + 32 * 4 * 4096
    assert load(LLAMA2_7B | {"mlp_bias": True}).parameters == plain + 32 * (2 * 11008 + 4096)
    neox = load(GPT_NEOX_20B).parameters
    assert load(GPT_NEOX_20B | {"attention_bias": False}).parameters == neox - 44 * 4 * 6144
    opt = load(OPT_66B).parameters
    assert load(OPT_66B | {"enable_bias": False}).parameters == opt - 64 * 9 * 9216


@pytest.mark.parametrize(
    ("config", "matrices"),
    [
        *((config, 2) for config in (LLAMA2_7B, MISTRAL_NEMO, QWEN2_5_72B, GPT_NEOX_20B)),
        *((config, 1) for config in (OPT_66B, BLOOM_176B, FALCON_40B)),
    ],
    ids=lambda value: value["model_type"] if isinstance(value, dict) else "",
)
def test_tied_embeddings_default_to_the_family_s(load, config, matrices):
    absent = {key: value for key, value in config.items() if key != "tie_word_embeddings"}
    assert load(absent).embedding_matrices == matrices
    assert load(config | {"tie_word_embeddings": True}).embedding_matrices == 1
    assert load(config | {"tie_word_embeddings": False}).embedding_matrices == 2


@pytest.mark.parametrize(
    ("field", "dtype", "weight_bytes", "kv_bytes"),
    [
        ("torch_dtype", "float16", 2, 2),
        ("torch_dtype", "torch.bfloat16", 2, 2),
        ("dtype", "float32", 4, 4),
        ("dtype", "float8_e4m3fn", 1, 2),
        ("other", "x", 2, 2),  # absent: served as float16
    ],
)
def test_dtype(load, field, dtype, weight_bytes, kv_bytes):
    config = {key: value for key, value in LLAMA2_7B.items() if key != "torch_dtype"}
    model = load(config | {field: dtype})
    assert model.weight_element_bytes == weight_bytes
    assert model.kv_element_bytes == model.activation_element_bytes == kv_bytes


def without(config, field):
    return {key: value for key, value in config.items() if key != field}


BAD = {
    "unsupported family": (
        LLAMA2_7B | {"model_type": "mamba"},
        "'mamba' is not supported; .*llama",
    ),
    "no family": (without(LLAMA2_7B, "model_type"), "model_type: missing"),
    "experts": (MISTRAL_NEMO | {"num_local_experts": 8}, "'mistral' is a mixture of experts"),
    "mixtral": (
        MISTRAL_NEMO | {"model_type": "mixtral", "num_local_experts": 8},
        "'mixtral' is a mixture of experts",
    ),
    "quantised": (
        LLAMA2_7B | {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        "quantization_config: quantised weights are not supported",
    ),
    "missing layers": (without(LLAMA2_7B, "num_hidden_layers"), "num_hidden_layers: missing"),
    "missing vocabulary": (without(FALCON_7B, "vocab_size"), "vocab_size: missing"),
    "missing KV heads": (without(QWEN2_5_72B, "num_key_value_heads"), "num_key_value_heads: miss"),
    "null": (LLAMA2_7B | {"hidden_size": None}, "hidden_size: missing"),
    "negative": (LLAMA2_7B | {"num_hidden_layers": -1}, "num_hidden_layers: -1 is outside"),
    "zero": (BLOOM_7B1 | {"n_head": 0}, "n_head: 0 is outside"),
    "not whole": (LLAMA2_7B | {"hidden_size": 4096.5}, "hidden_size: 4096.5 is not a whole"),
    "text": (LLAMA2_7B | {"hidden_size": "4096"}, "hidden_size: '4096' is not a number"),
    "nan": (LLAMA2_7B | {"hidden_size": float("nan")}, "hidden_size: nan is outside"),
    "flag": (LLAMA2_7B | {"tie_word_embeddings": 1}, "tie_word_embeddings: 1 is neither"),
    "dtype": (LLAMA2_7B | {"torch_dtype": "int8"}, "torch_dtype: unknown name 'int8'"),
    "heads": (LLAMA2_7B | {"num_attention_heads": 30}, "30 heads do not divide the hidden size"),
    "KV heads": (LLAMA2_7B | {"num_key_value_heads": 5}, "5 KV heads; allowed are divisors of"),
    "embedding": (OPT_66B | {"word_embed_proj_dim": 512}, "word_embed_proj_dim: 512 .*9216"),
    "norm after": (OPT_66B | {"do_layer_norm_before": False}, "do_layer_norm_before=False"),
    "malformed": ('{"model_type": "llama",', "malformed JSON"),
    "empty": ("", "malformed JSON"),
    "list": ("[]", r"\[\] is not a table"),
    "deep": ("[" * 100_000, "malformed JSON"),
}


@pytest.mark.parametrize(("config", "message"), BAD.values(), ids=BAD)
def test_bad_config(load, config, message):
    with pytest.raises(InputError, match=message) as error:
        load(config)
    assert "config.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_folder_without_a_config(tmp_path):
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        transformer(tmp_path)
