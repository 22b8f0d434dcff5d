"""Operation counts, against sums written out by hand."""

from functools import partial

import jax.numpy as jnp
import pytest

from splitmodel.roofline.batch import decode_batch, mixed_batch, prefill_batch
from splitmodel.roofline.operations import operations
from splitmodel.specs.catalogue import model_names, transformer
from splitmodel.specs.leaves import as_arrays

pytestmark = pytest.mark.numerics

exactly = partial(pytest.approx, rel=1e-6)
"""Counts are sums of a few products: float32 rounding is all that is left."""
LLAMA = as_arrays(transformer("llama2-70b"))  # 8 KV heads among 64 of 128, gated MLP
BLOOM = as_arrays(transformer("bloom-176b"))
ONE_TOKEN = decode_batch(jnp.asarray(1.0), jnp.asarray(1.0))


def prompts(tokens, count=1.0):
    return prefill_batch(jnp.asarray(tokens), count)


def decodes(requests, context_tokens):
    return decode_batch(jnp.asarray(requests), context_tokens)


def listed(batch, model=LLAMA, tensor_parallel=1.0, pipeline_parallel=1.0):
    return operations(batch, model, jnp.asarray(tensor_parallel), jnp.asarray(pipeline_parallel))


def total(counts, field, kind):
    return float(sum(jnp.sum(getattr(op, field)) for op in counts if op.kind == kind))


def matrix_flop(counts):
    return total(counts, "flop", "gemm")


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize("tensor_parallel", [1.0, 2.0, 8.0])
def test_flop_per_token_are_twice_the_parameters(name, tensor_parallel):
    """Within 2%: norms and biases are parameters without a matrix product."""
    model = as_arrays(transformer(name))
    flop = tensor_parallel * matrix_flop(listed(ONE_TOKEN, model, tensor_parallel))
    assert flop == pytest.approx(2.0 * float(model.parameters_without_input_embedding), rel=2e-2)


def test_matrix_flop_by_hand():
    h, ffn = 8192, 28672
    llama = 80 * (h * h + 2 * h * 1024 + h * h + 3 * h * ffn) + h * 32000
    assert matrix_flop(listed(ONE_TOKEN)) == exactly(2 * llama)
    h = 14336
    bloom = 70 * 12 * h * h + h * 250880
    assert matrix_flop(listed(ONE_TOKEN, BLOOM)) == exactly(2 * bloom)


def test_only_the_last_token_of_a_prompt_meets_the_lm_head():
    head = 2 * 8192 * 32000
    body = matrix_flop(listed(ONE_TOKEN)) - head
    flop = matrix_flop(listed(prompts(1500.0, 3.0)))
    assert flop == exactly(3 * (1500 * body + head))


def test_a_decoded_token_reads_every_weight_once():
    """Within 0.1%: vectors of norms, biases and one token's activations are beside the matrices."""
    counts = listed(ONE_TOKEN, BLOOM, 8.0)
    assert 8.0 * total(counts, "hbm_bytes", "gemm") == pytest.approx(352.5e9, rel=1e-3)


@pytest.mark.parametrize("kind", ["gemm", "prefill_attention", "decode_attention"])
@pytest.mark.parametrize("tensor_parallel", [2.0, 4.0, 8.0])
def test_shares_of_a_tensor_parallel_group_add_up(kind, tensor_parallel):
    batch = mixed_batch(prompts(700.0), decodes(5.0, 900.0))
    whole, share = listed(batch), listed(batch, tensor_parallel=tensor_parallel)
    assert tensor_parallel * total(share, "flop", kind) == exactly(total(whole, "flop", kind))


@pytest.mark.parametrize(("tensor_parallel", "copies"), [(8.0, 1.0), (16.0, 2.0), (64.0, 8.0)])
def test_kv_heads_are_replicated_where_the_group_is_larger(tensor_parallel, copies):
    counts = listed(decodes(32.0, 1500.0), tensor_parallel=tensor_parallel)
    cache_bytes = 32 * 1500 * 327_680
    assert tensor_parallel * total(counts, "hbm_bytes", "decode_attention") == exactly(
        copies * cache_bytes
    )
    # Query heads are not: attention's products stay split evenly.
    assert tensor_parallel * total(counts, "flop", "decode_attention") == exactly(
        4 * 32 * 1500 * 8192 * 80
    )
    # Each copy of a KV head has the projections of its own: 2·8192·1024 weights a layer.
    extra = 2 * 32 * 80 * (copies - 1) * 2 * 8192 * 1024
    assert tensor_parallel * matrix_flop(counts) == exactly(
        matrix_flop(listed(decodes(32.0, 1500.0))) + extra
    )


def test_prefill_attention_of_a_prompt_by_hand():
    """Token i attends to i keys: 2·128 FLOP for the score and as many for the value, per head."""
    pairs = sum(range(1, 1001))
    flop = total(listed(prompts(1000.0, 3.0)), "flop", "prefill_attention")
    assert flop == pytest.approx(3 * pairs * 4 * 128 * 64 * 80, rel=2e-3)  # P²/2 for P(P+1)/2


def test_all_reduces_of_a_layer():
    counts = listed(prompts(512.0, 4.0), BLOOM, 8.0)
    assert total(counts, "messages", "all_reduce") == 140.0
    assert total(counts, "message_bytes", "all_reduce") == 2048 * 14336 * 2
    assert total(listed(prompts(512.0)), "messages", "all_reduce") == 0.0


def test_pipeline_stages_send_and_change_nothing_else():
    counts = listed(prompts(512.0), tensor_parallel=2.0, pipeline_parallel=4.0)
    assert total(counts, "messages", "send") == 3.0
    assert total(counts, "message_bytes", "send") == 512 * 8192 * 2
    alone = listed(prompts(512.0), tensor_parallel=2.0)
    assert total(alone, "messages", "send") == 0.0
    for field in ("flop", "hbm_bytes", "messages"):
        for kind in {op.kind for op in counts} - {"send"}:
            assert total(counts, field, kind) == total(alone, field, kind)


def test_a_mixed_batch_is_the_sum_of_its_parts_but_reads_the_weights_once():
    prefill, decode = prompts(1000.0), decodes(24.0, 1400.0)
    mixed, *parts = (listed(batch) for batch in (mixed_batch(prefill, decode), prefill, decode))
    for field in ("flop", "hbm_bytes"):
        for kind in {op.kind for op in mixed}:
            summed = sum(total(part, field, kind) for part in parts)
            if (field, kind) == ("hbm_bytes", "gemm"):
                h, ffn = 8192, 28672
                summed -= 2 * (80 * (2 * h * h + 2 * h * 1024 + 3 * h * ffn) + h * 32000)
            assert total(mixed, field, kind) == exactly(summed)


def test_elementwise_traffic_is_24_bytes_a_token_and_hidden_unit():
    counts = listed(prompts(1000.0))
    assert total(counts, "hbm_bytes", "elementwise") == exactly(24e3 * 8192 * 80)
