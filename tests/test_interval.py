"""Intervals of iteration times and metrics: their width, where it comes from, and what has none."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import splitmodel as sm
from splitmodel.errors import InputError
from splitmodel.parameters.calibration import shipped
from splitmodel.specs.calibrated import DRAWS, drawn_factors, log_covariance, off_by
from splitmodel.specs.catalogue import machine
from splitmodel.specs.leaves import as_arrays

LOAD = sm.Workload.azure("conv", rate_rps=20.0)
PREFILL = {"model": "llama2-70b", "machine": "DGX-H100", "prompt_tokens": np.array([512, 4096])}
CASES = {
    "prefill": PREFILL,
    "decode": {"model": "bloom-176b", "machine": "DGX-A100", "context_tokens": 900},
}


@pytest.mark.numerics
@pytest.mark.parametrize("phase", CASES)
def test_an_interval_of_an_iteration_time_is_that_of_drawn_parameters(phase):
    """To first order in the parameters: within 25% of the width that 64 draws have."""
    named: dict[str, Any] = CASES[phase]
    found = sm.iteration_time(phase, interval=0.9, **named)
    width = np.log(found.iteration_time_s_high / found.iteration_time_s_low).values
    server = machine(named["machine"])
    factors = drawn_factors([server], shipped())

    def drawn_s(place: int) -> Any:
        of_draw = {name: jnp.asarray(draws[place, 0]) for name, draws in factors.items()}
        off = as_arrays(off_by(server, of_draw))
        given: dict[str, Any] = {**named, "machine": off}
        return sm.iteration_time(phase, **given)

    drawn = [drawn_s(place) for place in range(0, DRAWS, 2)]
    expected = 2 * 1.645 * np.log(np.array(drawn)).std(axis=0)
    np.testing.assert_allclose(width, expected, rtol=0.25)
    middle = np.sqrt(found.iteration_time_s_high * found.iteration_time_s_low)
    np.testing.assert_allclose(middle, found.iteration_time_s, rtol=1e-5)
    assert found.attrs == {"interval": 0.9, "calibration": "fitted"}


def test_more_probability_is_wider_and_no_data_wider_still():
    def width(interval, name):
        found = sm.iteration_time(
            "decode", model="llama2-70b", machine=name, context_tokens=900, interval=interval,
            stack="splitwise-2023",
        )  # fmt: skip
        return float(np.log(found.iteration_time_s_high / found.iteration_time_s_low)), found

    (narrow, _), (wide, _) = width(0.5, "DGX-H100"), width(0.95, "DGX-H100")
    assert wide / narrow == pytest.approx(1.96 / 0.6745, rel=1e-3)
    for name in ("DGX-H200", "DGX-A100-40GB"):
        unmeasured, found = width(0.95, name)
        assert unmeasured > 4.0 * wide
        assert found.attrs["calibration"] == "prior"


def test_machines_of_one_kind_are_off_together_and_unlike_ones_are_not():
    servers = [machine(name) for name in ("DGX-H100", "DGX-H100", "DGX-A100", "DGX-H200")]
    fields, covariance = log_covariance(servers, shipped())
    at = fields.index("decode_layer_s")
    square = covariance[:, at, :, at]
    np.testing.assert_allclose(square[0, 0], square[0, 1])
    assert square[0, 2] < 0.5 * square[0, 0]
    between = shipped().between["decode_layer_s"]
    np.testing.assert_allclose(square[3, 3], square[0, 0] + between**2)
    np.testing.assert_allclose(square[3, 0], square[0, 0])
    flat = covariance.reshape(2 * 2 * len(fields), -1)
    np.testing.assert_allclose(flat, flat.T, atol=1e-8)
    factors = drawn_factors(servers, shipped())
    np.testing.assert_allclose(factors["hbm"].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(factors["hbm"][:, 0], factors["hbm"][:, 1], atol=1e-6)


def test_evaluate_adds_both_ends_around_each_metric():
    cluster = sm.Cluster.splitwise("HA", prompt=10, token=12)
    found = sm.evaluate(cluster, LOAD, model="bloom-176b", interval=0.9)
    plain = sm.evaluate(cluster, LOAD, model="bloom-176b")
    assert found.attrs["interval"] == 0.9
    assert found.attrs["calibration"] == plain.attrs["calibration"] == "fitted"
    for name in ("ttft_s", "tbt_s", "e2e_s", "ttft_slowdown", "saturation_rps", "power_mean_w"):
        low, high = (found[f"{name}_{end}"] for end in ("low", "high"))
        assert (low <= found[name]).all() and (found[name] <= high).all()
        assert low.dims == found[name].dims
        assert low.attrs["units"] == found[name].attrs["units"]
        assert low.attrs["long_name"].startswith("lower end of")
        assert 1.01 < float((high / low).max()) < 2.0
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-6)
    for name in plain:
        assert np.isfinite(found[name]).all()
    assert "machines_low" not in found
    assert not any("_low" in str(name) for name in plain)


def test_near_saturation_the_upper_end_may_be_infinite_but_is_a_number():
    cluster = sm.Cluster.splitwise("HH", prompt=10, token=12)
    saturation_rps = sm.evaluate(cluster, LOAD, model="bloom-176b").saturation_rps.item()
    full = sm.Workload.azure("conv", rate_rps=0.99 * saturation_rps)
    found = sm.evaluate(cluster, full, model="bloom-176b", interval=0.9)
    assert np.isinf(found.ttft_s_high).all()
    assert np.isfinite(found.ttft_s_low).all()
    assert not any(np.isnan(found[name]).any() for name in found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0.0}, "interval"),
        ({"interval": 1.0}, "interval.*below 1"),
        ({"interval": 90.0}, "interval"),
        ({"interval": 0.9, "timing": "interpolated"}, "interpolated.*no fitted parameters"),
        ({"calibration": "nowhere.toml"}, "nowhere.toml cannot be read"),
    ],
)
def test_what_can_have_no_interval_is_named(options, message):
    with pytest.raises(InputError, match=message):
        sm.iteration_time("prefill", **PREFILL | options)
    with pytest.raises(InputError, match=message):
        sm.evaluate(sm.Cluster.baseline("A100", machines=4), LOAD, model="llama2-70b", **options)
