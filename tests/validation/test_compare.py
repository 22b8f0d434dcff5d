"""Errors and what they come to, where the simulated values are known."""

import numpy as np
import pytest
import xarray as xr

from splitmodel.validation.compare import (
    BAND_NAMES,
    compare,
    error_table,
    kendall_tau,
    rate_table,
)
from splitmodel.validation.figures import plot_errors, plot_highest_rates


@pytest.fixture(scope="module")
def compared(rows) -> xr.Dataset:
    """One simulated cluster is 10% slower than the analytic one, and its highest rate 20% less."""
    slower = [
        each if each.cluster else each._replace(mean_s=1.1 * each.mean_s, half_s=0.02 * each.mean_s)
        for each in rows
    ]
    less = [
        each._replace(
            highest_rate_rps=each.highest_rate_rps / 1.2, load=np.round(1.2 * each.load, 6)
        )
        if each.cluster
        else each
        for each in slower
    ]
    return compare(less)


def test_an_error_counts_as_far_as_it_is_beyond_the_interval(compared):
    np.testing.assert_allclose(compared["error"][:3], -(0.1 - 0.02) / 1.1, rtol=1e-3)
    assert (compared["error"][3:] == 0.0).all()


def test_bands_hold_their_loads(compared):
    first, middle, last = BAND_NAMES
    # The loads of the second cluster are 0.36, 0.84 and 1.08.
    assert compared["band"].values.tolist() == [first, middle, last] * 2


def test_highest_rates_are_compared(compared):
    ratio = compared["analytic_rps"] / compared["simulated_rps"]
    np.testing.assert_allclose(ratio, [1.0, 1.2], rtol=2e-3)
    table = rate_table(compared).sel(semantics="physical")
    assert (table["clusters"], table["large"], table["within"]) == (2, 1, 0.0)
    assert table["worst"] == pytest.approx(0.2, abs=2e-3)
    assert np.isnan(table["kendall_tau"])  # no pair under the same question


def test_a_cluster_without_a_rate_has_no_errors(rows):
    none = np.full((3, 3), np.nan)
    compared = compare([*rows[:3], rows[3]._replace(highest_rate_rps=0.0, load=0.0, mean_s=none)])
    assert compared.sizes["row"] == 3 and compared.sizes["cluster"] == 2
    assert rate_table(compared)["clusters"] == 1


def test_the_table_holds_order_statistics():
    error = np.linspace(-0.1, 0.1, 21)[:, None, None] * np.ones((1, 3, 3))
    error[-1] = np.inf
    compared = xr.Dataset(
        {"error": (("row", "metric", "percentile"), error)},
        coords={
            "metric": ["ttft", "tbt", "e2e"],
            "percentile": [50, 90, 99],
            "band": ("row", [BAND_NAMES[1]] * 21),
            "row_semantics": ("row", ["physical"] * 21),
        },
    )
    table = error_table(compared).sel(semantics="physical", metric="tbt", percentile=99)
    assert table["median"].sel(band=BAND_NAMES[1]) == pytest.approx(0.05)
    assert table["p90"].sel(band=BAND_NAMES[1]) == pytest.approx(0.09)
    assert table["median"].sel(band=BAND_NAMES[0]).isnull()


def test_kendall_counts_pairs_that_are_apart_and_of_one_group():
    simulated = np.array([1.0, 1.01, 2.0, 3.0])
    one = np.zeros(4)
    assert kendall_tau(simulated, simulated, one) == 1.0
    assert kendall_tau(simulated, -simulated, one) == -1.0
    # The first two are too close to each other to count.
    assert kendall_tau(simulated, np.array([1.1, 1.0, 2.0, 3.0]), one) == 1.0
    assert kendall_tau(simulated, np.array([1.0, 1.0, 3.0, 2.0]), one) == pytest.approx(3 / 5)
    assert kendall_tau(simulated, np.array([1.0, 1.0, 3.0, 2.0]), np.array([0, 0, 0, 1])) == 1.0


def test_figures_have_a_panel_for_each_metric_and_a_point_for_each_cluster(compared):
    figure = plot_errors(compared)
    shown = [panel.get_ylabel().split(",")[0] for panel in figure.axes]
    assert shown == ["TTFT", "TBT", "E2E"]
    panel = plot_highest_rates(compared).axes[0]
    points = panel.collections[0].get_offsets()
    np.testing.assert_allclose(np.array(points), [[7.0, 1.0], [12.0, 1.2]], rtol=2e-3)
