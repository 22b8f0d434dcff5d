"""Counts of a transformer, against sums written out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.specs.catalogue import model_names, transformer

PUBLISHED_PARAMETERS = {
    "llama2-70b": 69.0e9,
    "bloom-176b": 176.2e9,
    "llama3-8b": 8.03e9,
    "llama3-70b": 70.6e9,
    "mistral-7b": 7.24e9,
    "qwen2.5-72b": 72.7e9,
    "opt-66b": 65.7e9,
    "gpt3-175b": 174.6e9,  # "175 billion"; the sum over the matrices of Table 2.1
}

# Number of parameters that the hub reports for the checkpoint.
CHECKPOINT_PARAMETERS = {
    "llama2-70b": 68_976_648_192,
    "bloom-176b": 176_247_271_424,
    "llama3-8b": 8_030_261_248,
    "llama3-70b": 70_553_706_496,
    "mistral-7b": 7_241_732_096,
    "qwen2.5-72b": 72_706_203_648,
}


def test_every_model_of_the_catalogue_has_a_published_count():
    assert sorted(PUBLISHED_PARAMETERS) == sorted(model_names())


@pytest.mark.parametrize(("name", "published"), PUBLISHED_PARAMETERS.items())
def test_parameters_are_within_half_a_percent_of_the_published(name, published):
    assert transformer(name).parameters == pytest.approx(published, rel=5e-3)


@pytest.mark.parametrize(("name", "parameters"), CHECKPOINT_PARAMETERS.items())
def test_parameters_equal_those_of_the_checkpoint(name, parameters):
    assert transformer(name).parameters == parameters


def test_bloom_by_hand():
    """Tied embeddings count once; the embedding has a norm; every matrix has a bias."""
    h, layers, vocab = 14336, 70, 250880
    per_layer = (
        (3 * h * h + 3 * h)  # query, key, value
        + (h * h + h)  # attention output
        + (4 * h * h + 4 * h)  # up
        + (4 * h * h + h)  # down
        + 2 * 2 * h  # two LayerNorms, weight and bias
    )
    total = vocab * h + 2 * h + layers * per_layer + 2 * h
    bloom = transformer("bloom-176b")
    assert bloom.parameters == total
    assert bloom.parameters_without_input_embedding == total  # the LM head stays
    assert bloom.weight_bytes == 2 * total == pytest.approx(352.5e9, rel=5e-5)
    assert bloom.kv_bytes_per_token == 4_014_080


def test_llama2_by_hand():
    """Eight KV heads, a gated MLP, no biases, two embeddings of which one is looked up."""
    h, layers, vocab, ffn = 8192, 80, 32000, 28672
    per_layer = h * h + 2 * h * (8 * 128) + h * h + 3 * h * ffn + 2 * h
    total = 2 * vocab * h + layers * per_layer + h
    llama = transformer("llama2-70b")
    assert llama.parameters == total
    assert llama.parameters_without_input_embedding == total - vocab * h
    assert llama.kv_bytes_per_token == 2 * 80 * 8 * 128 * 2 == 327_680


def test_opt_by_hand():
    """The learned positions are looked up, so they are no part of N."""
    h, layers, vocab = 9216, 64, 50272
    per_layer = 12 * h * h + (3 + 1 + 4 + 1) * h + 4 * h
    total = vocab * h + 2050 * h + layers * per_layer + 2 * h
    opt = transformer("opt-66b")
    assert opt.parameters == total
    assert opt.parameters_without_input_embedding == total - 2050 * h


@pytest.mark.parametrize("name", PUBLISHED_PARAMETERS)
def test_flop_per_token_are_twice_the_parameters(name):
    """2·rows·columns of each matrix that one token is multiplied by."""
    model = transformer(name)
    matrices = [
        (model.hidden, model.query_width),
        (model.hidden, model.kv_width),
        (model.hidden, model.kv_width),
        (model.query_width, model.hidden),
        *[(model.hidden, model.ffn_hidden)] * int(model.mlp_matrices),
    ]
    flop = model.layers * sum(2 * rows * columns for rows, columns in matrices)
    flop += 2 * model.hidden * model.vocab
    assert flop == pytest.approx(2 * model.parameters_without_input_embedding, rel=2e-2)


def test_leaves_are_floats():
    leaves = jax.tree.leaves([transformer(name) for name in model_names()])
    assert {type(leaf) for leaf in leaves} == {float}


def test_models_share_one_tree_structure():
    structures = {jax.tree.structure(transformer(name)) for name in model_names()}
    assert len(structures) == 1


@pytest.mark.numerics
def test_counts_work_under_jit_and_vmap():
    models = [transformer(name) for name in model_names()]
    stacked = jax.tree.map(lambda *leaves: jnp.array(leaves, dtype=float), *models)
    counts = jax.jit(
        jax.vmap(lambda m: (m.parameters, m.weight_bytes, m.kv_bytes_per_token)),
    )(stacked)
    for count, name in zip(
        counts, ("parameters", "weight_bytes", "kv_bytes_per_token"), strict=True
    ):
        expected = np.array([getattr(model, name) for model in models])
        np.testing.assert_allclose(count, expected, rtol=1e-6)


@pytest.mark.numerics
def test_gradient_of_weight_bytes_with_respect_to_layers():
    model = transformer("bloom-176b")
    gradient = jax.grad(lambda m: m.weight_bytes)(jax.tree.map(jnp.asarray, model))
    assert gradient.layers == pytest.approx(2 * 12 * 14336**2, rel=1e-6)
