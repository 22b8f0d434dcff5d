"""Pareto fronts over results of any shape."""

import numpy as np
import pytest
import xarray as xr

import splitmodel as sm


@pytest.fixture
def product() -> xr.Dataset:
    """Two prompt by three token counts; the last one misses the limits."""
    return xr.Dataset(
        {
            "cost_usd_per_hour": (("prompt", "token"), [[1.0, 2.0, 3.0], [2.0, 3.0, 0.5]]),
            "throughput_rps": (("prompt", "token"), [[1.0, 1.0, 4.0], [3.0, 4.0, 9.0]]),
            "slo_met": (("prompt", "token"), np.array([[1, 1, 1], [1, 1, 0]], np.int8)),
            "ttft_s": (("prompt", "token", "percentile"), np.zeros((2, 3, 3))),
        },
        coords={"prompt": [1, 2], "token": [5, 6, 7], "percentile": [50, 90, 99]},
    )


def test_a_product_becomes_a_list_of_what_meets_the_limits(product):
    front = sm.pareto(product)
    assert dict(front.sizes) == {"config": 4, "percentile": 3}
    # The two that cost 3 and serve 4 are equal.
    assert list(zip(front.prompt.values, front.token.values, strict=True)) == [
        (1, 5),
        (1, 7),
        (2, 5),
        (2, 6),
    ]
    assert front.attrs == product.attrs


def test_objectives_are_variables_or_coordinates(product):
    front = sm.pareto(product, minimise=("prompt", "token"), maximise=())
    assert front.prompt.item() == 1
    assert front.token.item() == 5
    assert sm.pareto(product, minimise="cost_usd_per_hour", maximise=[]).sizes["config"] == 1


def test_a_list_stays_a_list(product):
    listed = product.stack(config=("prompt", "token"), create_index=False)
    xr.testing.assert_equal(
        sm.pareto(listed).drop_attrs(), sm.pareto(product).drop_attrs().transpose(..., "config")
    )


def test_bad_objectives_are_named(product):
    with pytest.raises(sm.InputError, match="did you mean cost_usd_per_hour"):
        sm.pareto(product, minimise="cost_usd")
    with pytest.raises(sm.InputError, match="objective: unknown name 'ttft_s'"):
        sm.pareto(product, minimise="ttft_s")
    with pytest.raises(sm.InputError, match="at least one objective"):
        sm.pareto(product, minimise=(), maximise=())
    with pytest.raises(sm.InputError, match="without slo_met"):
        sm.pareto(product.drop_vars("slo_met"))
