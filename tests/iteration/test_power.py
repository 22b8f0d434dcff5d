"""Power of a machine in each phase, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.iteration.power import decode_share, machine_power_w, prefill_share
from splitmodel.iteration.roofline_timing import Roofline
from splitmodel.roofline.batch import decode_batch, prefill_batch
from splitmodel.specs.catalogue import machine

pytestmark = pytest.mark.numerics

POWER = machine("DGX-A100").gpu.power
BLOOM_FLOP_PER_TOKEN = 2 * (70 * 12 * 14336**2)
LM_HEAD_FLOP = 2 * 14336 * 250880


def test_prefill_draw_by_hand(hosted):
    """Intercept and slope of the share that computing takes of the time outside collectives."""
    model, instance = hosted("bloom-176b", "DGX-A100")
    batch = prefill_batch(jnp.asarray(500.0))
    seconds = Roofline().resources_s(batch, model, instance)
    used = float(seconds.compute_s) / float(seconds.total_s - seconds.collective_s)
    assert 0.3 < used < 0.9
    share = float(prefill_share(batch, model, instance))
    assert share == pytest.approx(
        POWER.prefill_base + POWER.prefill_per_compute_use * used, rel=1e-5
    )


def test_decode_draw_by_hand(hosted):
    """Intercept and slopes of the bandwidth in use for weights and the matrix rate in use."""
    model, instance = hosted("bloom-176b", "DGX-A100")
    batch = decode_batch(jnp.asarray(16.0), jnp.asarray(1000.0))
    read = 2 * 176_247_271_424 / (8 * 2039e9 * 0.06)
    used = 16 * (BLOOM_FLOP_PER_TOKEN + LM_HEAD_FLOP) / (8 * 312e12 * 0.06)
    share = float(decode_share(batch, model, instance, jnp.asarray(0.06)))
    assert share == pytest.approx(
        POWER.idle + POWER.decode_per_bandwidth_use * read + POWER.decode_per_compute_use * used,
        rel=1e-5,
    )


@pytest.mark.parametrize("cap", [1.0, 0.7, 0.4])
def test_draw_lies_between_idle_and_the_cap(hosted, cap):
    """From small to large prefill batches, and over decode times from too short to very long."""
    model, instance = hosted("llama2-70b", "DGX-H100", power_cap=cap)
    tokens = jnp.asarray(np.geomspace(1.0, 4096.0, 9), dtype=float)
    prefill = np.asarray(prefill_share(prefill_batch(tokens), model, instance))
    times_s = jnp.asarray(np.geomspace(1e-3, 10.0, 9), dtype=float)
    decoding = decode_batch(*jnp.asarray([64.0, 900.0]))
    decode = np.asarray(decode_share(decoding, model, instance, times_s))
    assert (prefill > 0.8 * POWER.prefill_base).all() and (decode >= POWER.idle).all()
    assert decode.max() == pytest.approx(cap, rel=1e-6)
    assert prefill.max() <= cap * (1 + 1e-6)
    assert (np.diff(decode) <= 0.0).all()


def test_power_of_a_machine_by_hand(hosted):
    """DGX-H100: 10.2 kW, of which 8 × 700 W are the GPUs'."""
    _, instance = hosted("llama2-70b", "DGX-H100")
    busy, share = jnp.asarray([0.0, 0.25, 1.0]), jnp.asarray(0.9)
    by_hand_w = [4600 + 5600 * draw for draw in (POWER.idle, 0.75 * POWER.idle + 0.25 * 0.9, 0.9)]
    power_w = np.asarray(machine_power_w(instance, busy, share))
    np.testing.assert_allclose(power_w, by_hand_w, rtol=1e-6)
    _, capped = hosted("llama2-70b", "DGX-H100", power_cap=0.7)
    power_w = machine_power_w(capped, jnp.asarray(1.0), jnp.asarray(0.7))
    assert float(power_w) == pytest.approx(0.7 * 10_200, rel=1e-6)
