"""KV memory and the largest batch, by hand."""

from functools import partial

import jax.numpy as jnp
import pytest

from splitmodel.iteration.memory import (
    kv_bytes_per_token,
    kv_capacity_bytes,
    largest_batch,
    weight_bytes,
)
from splitmodel.specs.semantics import PHYSICAL, SPLITWISE_SIM

pytestmark = pytest.mark.numerics

GIB = 2**30
exactly = partial(pytest.approx, rel=1e-6)
BLOOM_BYTES = 2 * 176_247_271_424
LLAMA_BYTES = 2 * 68_976_648_192


@pytest.mark.parametrize(
    ("model", "semantics", "kv_bytes", "weights"),
    [
        ("bloom-176b", PHYSICAL, 4_014_080, BLOOM_BYTES),
        ("llama2-70b", PHYSICAL, 327_680, LLAMA_BYTES),
        ("bloom-176b", SPLITWISE_SIM, 4_014_080, 329e9),
        ("llama2-70b", SPLITWISE_SIM, 2_621_440, 135e9),  # as if each query head had its own
        ("mistral-7b", SPLITWISE_SIM, 524_288, 2 * 7_241_732_096),  # it does not know the model
    ],
)
def test_bytes_of_a_token_and_of_the_weights(hosted, model, semantics, kv_bytes, weights):
    spec, _ = hosted(model, "DGX-A100")
    assert float(kv_bytes_per_token(spec, semantics)) == exactly(kv_bytes)
    assert float(weight_bytes(spec, semantics)) == exactly(weights)


CAPACITIES = {
    "BLOOM": ("bloom-176b", (8.0, 1.0), PHYSICAL, 0.9 * 640 * GIB - BLOOM_BYTES),
    "BLOOM, simulator": ("bloom-176b", (8.0, 1.0), SPLITWISE_SIM, 640 * GIB - 329e9),
    "half a machine": ("llama2-70b", (4.0, 1.0), PHYSICAL, 0.9 * 320 * GIB - LLAMA_BYTES),
    "two stages": ("llama2-70b", (2.0, 2.0), PHYSICAL, 0.9 * 320 * GIB - LLAMA_BYTES),
    # 16 GPUs and 8 KV heads: every cached byte is there twice.
    "copies": ("llama2-70b", (16.0, 1.0), PHYSICAL, (0.9 * 1280 * GIB - LLAMA_BYTES) / 2),
    "copies, simulator": ("llama2-70b", (16.0, 1.0), SPLITWISE_SIM, 1280 * GIB - 135e9),
    "too large": ("bloom-176b", (2.0, 1.0), PHYSICAL, 0.9 * 160 * GIB - BLOOM_BYTES),
}


@pytest.mark.parametrize(
    ("model", "parallel", "semantics", "capacity_bytes"), CAPACITIES.values(), ids=CAPACITIES
)
def test_capacity_by_hand(hosted, model, parallel, semantics, capacity_bytes):
    spec, instance = hosted(model, "DGX-H100", *parallel)
    free_bytes = float(kv_capacity_bytes(instance, spec, semantics))
    assert free_bytes == pytest.approx(capacity_bytes, rel=1e-5)  # a difference of large numbers


@pytest.mark.parametrize(
    ("semantics", "requests"),
    [
        (PHYSICAL, (0.9 * 640 * GIB - BLOOM_BYTES) / (1284 * 4_014_080)),  # 51.6
        (SPLITWISE_SIM, (640 * GIB - 329e9) / (1284 * 4_014_080)),  # 69.5
    ],
)
def test_largest_batch_by_hand(hosted, semantics, requests):
    spec, instance = hosted("bloom-176b", "DGX-A100")
    tokens, most = jnp.asarray(1284.0), jnp.asarray(512.0)
    largest = float(largest_batch(instance, spec, semantics, tokens, most))
    assert largest == pytest.approx(requests, rel=1e-5)


def test_largest_batch_has_limits(hosted):
    tokens, most = jnp.asarray(1284.0), jnp.asarray(40.0)
    spec, instance = hosted("bloom-176b", "DGX-A100")
    assert float(largest_batch(instance, spec, PHYSICAL, tokens, most)) == 40.0
    spec, small = hosted("bloom-176b", "DGX-A100", 2.0)
    assert float(largest_batch(small, spec, PHYSICAL, tokens, most)) == 0.0
