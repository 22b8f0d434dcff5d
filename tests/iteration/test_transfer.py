"""Visible delay of KV transfer, against bytes over bandwidth and the published figures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.iteration.transfer import visible_transfer_s
from splitmodel.specs.cluster import KV_TRANSFERS
from splitmodel.specs.semantics import PHYSICAL, SPLITWISE_SIM

pytestmark = pytest.mark.numerics

BLOOM_KV_BYTES = 4_014_080
LONG_S = 10.0
"""A prefill behind which any layer-wise transfer hides."""


@pytest.fixture(scope="module")
def delay_s(hosted):
    """Delay by names of model, machines and mode of transfer."""
    compiled = jax.jit(visible_transfer_s, static_argnames="semantics")

    def delay_s(
        mode,
        tokens,
        model="bloom-176b",
        machines=("DGX-H100", "DGX-H100"),
        prefill_s=LONG_S,
        semantics=PHYSICAL,
        tensor_parallel=8.0,
    ):
        ends = tuple(hosted(model, name, tensor_parallel)[1] for name in machines)
        tokens = jnp.asarray(tokens, dtype=float)
        return np.asarray(
            compiled(
                tokens,
                jnp.full_like(tokens, prefill_s),
                hosted(model, machines[0])[0],
                ends,
                semantics=semantics,
                kv_transfer=jnp.asarray(float(KV_TRANSFERS.index(mode))),
            )
        )

    return delay_s


def test_serialized_is_bytes_over_bandwidth(delay_s):
    tokens = np.array([1.0, 1000.0, 2000.0, 7437.0])
    by_hand_s = tokens * BLOOM_KV_BYTES / 400e9
    np.testing.assert_allclose(delay_s("serialized", tokens), by_hand_s, rtol=1e-6)
    assert delay_s("serialized", 1000.0) == pytest.approx(10.035e-3, rel=1e-4)
    assert delay_s("serialized", 1000.0, model="llama2-70b") == pytest.approx(0.8192e-3, rel=1e-6)


@pytest.mark.parametrize("machines", [("DGX-H100", "DGX-A100"), ("DGX-A100", "DGX-H100")])
def test_the_slower_end_decides(delay_s, machines):
    by_hand_s = 1000 * BLOOM_KV_BYTES / 200e9
    assert delay_s("serialized", 1000.0, machines=machines) == pytest.approx(by_hand_s, rel=1e-6)


def test_an_instance_has_its_share_of_the_machine_s_links(delay_s):
    whole_s = delay_s("serialized", 1000.0, model="llama2-70b")
    half_s = delay_s("serialized", 1000.0, model="llama2-70b", tensor_parallel=4.0)
    assert half_s == pytest.approx(2.0 * whole_s, rel=1e-6)


@pytest.mark.parametrize(("machine", "published_s"), [("DGX-A100", 8e-3), ("DGX-H100", 5e-3)])
def test_layerwise_transfer_leaves_the_published_plateau(delay_s, machine, published_s):
    """Splitwise, Figure 14: about 8 ms on A100 and 5 ms on H100, whatever the prompt."""
    tokens = np.array([100.0, 1000.0, 8000.0])
    left_s = delay_s("layerwise", tokens, machines=(machine, machine))
    np.testing.assert_allclose(left_s, published_s, rtol=1e-3)
    half_s = delay_s("layerwise", 100.0, "llama2-70b", (machine, machine), tensor_parallel=4.0)
    assert half_s == pytest.approx(published_s, rel=1e-3)


def test_layerwise_shows_what_outlasts_the_prefill(delay_s):
    transfer_s = 4000 * BLOOM_KV_BYTES / 400e9
    left_s = delay_s("layerwise", 4000.0, prefill_s=0.03)
    assert left_s == pytest.approx(5e-3 + transfer_s - 0.03, rel=1e-3)


def test_auto_takes_the_faster_and_turns_near_512_tokens_on_h100(delay_s):
    tokens = np.linspace(64.0, 2048.0, 249)
    auto, serialized, layerwise = (
        delay_s(mode, tokens) for mode in ("auto", "serialized", "layerwise")
    )
    np.testing.assert_array_equal(auto, np.minimum(serialized, layerwise))
    turn = tokens[np.argmax(layerwise < serialized)]
    assert turn == pytest.approx(512.0, rel=0.05)  # Splitwise, Figure 14


@pytest.mark.parametrize("semantics", [PHYSICAL, SPLITWISE_SIM])
def test_without_transfer_there_is_no_delay(delay_s, semantics):
    assert delay_s("none", 1000.0, semantics=semantics) == 0.0


@pytest.mark.parametrize("mode", ["serialized", "layerwise", "auto"])
@pytest.mark.parametrize("machine", ["DGX-A100", "DGX-H100"])
@pytest.mark.parametrize(
    ("model", "kv_bytes"), [("llama2-70b", 2_621_440), ("bloom-176b", BLOOM_KV_BYTES)]
)
def test_the_simulator_s_transfer(delay_s, mode, machine, model, kv_bytes):
    """Bytes without KV heads over 200·2³⁰ B/s, any machine, nothing overlaps."""
    by_hand_s = 1000 * kv_bytes / (200 * 2**30)
    left_s = delay_s(mode, 1000.0, model, (machine, machine), semantics=SPLITWISE_SIM)
    assert left_s == pytest.approx(by_hand_s, rel=1e-6)
