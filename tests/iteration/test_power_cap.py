"""What a power cap does to the clock and to each phase."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import splitmodel as sm
from splitmodel.iteration.power_cap import clock
from splitmodel.specs.catalogue import machine

pytestmark = pytest.mark.numerics

POWER = machine("DGX-A100").gpu.power
CAPS = np.linspace(0.3, 1.0, 15)


def prefill_s(caps=CAPS, **options):
    named = {"model": "bloom-176b", "machine": "DGX-H100", "prompt_tokens": 2048} | options
    return np.asarray(sm.iteration_time("prefill", power_cap=caps, **named))


def decode_s(caps=CAPS, **options):
    named = {"model": "bloom-176b", "machine": "DGX-H100", "batch_size": 64} | options
    return np.asarray(sm.iteration_time("decode", power_cap=caps, context_tokens=1024, **named))


@pytest.mark.parametrize("activity", [1.0, POWER.decode_activity])
def test_the_draw_at_the_reduced_clock_is_the_cap(activity):
    f = np.asarray(clock(jnp.asarray(CAPS), activity, POWER))
    assert (f > 0.0).all()
    assert (np.diff(f) >= 0.0).all()
    assert f[-1] == 1.0
    draw = POWER.idle + (1.0 - POWER.idle) * activity * f**POWER.clock_exponent
    np.testing.assert_allclose(draw[f < 1.0], CAPS[f < 1.0], rtol=1e-5)
    assert (draw <= CAPS + 1e-6).all()


def test_a_cap_below_the_idle_draw_leaves_finite_results():
    for cap in (1e-3, POWER.idle):
        f, gradient = jax.value_and_grad(clock)(jnp.asarray(cap), 1.0, POWER)
        assert 0.0 < f < 0.3
        assert np.isfinite(gradient)


def test_prefill_at_a_cap_of_70_percent_is_the_published_1_3_times_slower():
    full, capped = prefill_s(np.array([1.0, 0.7]), timing="interpolated")[::-1]
    assert full / capped == pytest.approx(1.3, rel=1e-5)
    # Decode is as in the simulator: no slower at any cap.
    assert np.ptp(decode_s(timing="interpolated")) == 0.0


@pytest.mark.parametrize("machine", ["DGX-A100", "DGX-H100"])
@pytest.mark.parametrize("model", ["bloom-176b", "llama2-70b"])
@pytest.mark.parametrize("stack", ["splitwise-2023", "graphs"])
def test_half_the_power_hardly_slows_decode_but_prefill(machine, model, stack):
    """Splitwise, Figure 9 and Insight VI."""
    options = {"machine": machine, "model": model, "stack": stack}
    halved_and_full = np.array([0.5, 1.0])
    capped, full = decode_s(halved_and_full, **options)
    assert full <= capped < 1.03 * full
    capped, full = prefill_s(halved_and_full, **options)
    assert capped > 1.3 * full


@pytest.mark.parametrize("timing", ["roofline", "interpolated"])
def test_more_power_is_never_slower(timing):
    prefills, decodes = prefill_s(timing=timing), decode_s(timing=timing)
    assert (np.diff(prefills) < 0.0).all()
    assert (np.diff(decodes) <= 0.0).all()
    assert prefills[0] > 2.0 * prefills[-1]
