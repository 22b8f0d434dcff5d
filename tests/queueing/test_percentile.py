"""Percentiles over requests, against brute force: many points in every cell, then bisection."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import root_scalar

from splitmodel.queueing.delay import delay_from_moments
from splitmodel.queueing.percentile import Requests
from splitmodel.queueing.percentile import percentiles as percentiles_of
from splitmodel.specs.leaves import as_arrays
from splitmodel.variables import PERCENTILES

pytestmark = pytest.mark.numerics

EDGES_S = np.array([0.02, 0.05, 0.09, 0.12, 0.2, 0.3, 0.31, 0.6, 1.5])
WEIGHT = np.array([0.05, 0.25, 0.1, 0.2, 0.15, 0.05, 0.15, 0.05])
OTHER_EDGES = np.array([0.5, 0.6, 0.5, 2.0, 2.5, 2.5, 3.0, 9.0, 9.5])
ONES = np.ones(8)


def requests(mean_s, cv, reference=None, reference_high=None):
    """Cells between EDGES_S with a delay of that mean and coefficient of variation.

    In seconds where no reference is given.
    """
    delay = delay_from_moments(*as_arrays((mean_s, (cv * mean_s) ** 2)))
    return as_arrays(
        Requests(
            fixed_low_s=EDGES_S[:-1],
            fixed_high_s=EDGES_S[1:],
            reference_low=reference,
            reference_high=reference if reference_high is None else reference_high,
            delay=delay,
            weight=WEIGHT,
        )
    )


def brute_force(cells, points=400):
    """Percentiles of (fixed + delay)/reference, all in float64 and without bounds or blur."""
    places = (np.arange(points) + 0.5) / points
    values = jax.tree.map(lambda leaf: np.asarray(leaf, dtype=float), cells)

    def spread_out(low, high):
        return low[:, None] + (high - low)[:, None] * places

    fixed_s = spread_out(values.fixed_low_s, values.fixed_high_s)
    reference = 1.0
    if values.reference_low is not None:
        reference = spread_out(values.reference_low, values.reference_high)
    shift_s, chance, scale_s = (
        np.broadcast_to(leaf, WEIGHT.shape)[:, None]
        for leaf in (values.delay.shift_s, values.delay.chance, values.delay.scale_s)
    )

    def tail(value):
        waited_s = np.minimum(value * reference - fixed_s - shift_s, 700.0 * scale_s)
        exceeding = np.where(
            waited_s > 0.0, chance * np.exp(-np.maximum(waited_s, 0.0) / scale_s), 1.0
        )
        return (values.weight[:, None] * exceeding).sum() / points

    return np.array(
        [
            root_scalar(lambda v, p=p: tail(v) - 1.0 + p / 100.0, bracket=(0.0, 1e4)).root
            for p in PERCENTILES
        ]
    )


CASES = {
    "no delay": requests(0.0, 0.0),
    "rare long waits": requests(0.1, 3.0),
    "exponential waits": requests(0.4, 1.0),
    "steady delay": requests(5.0, 0.2),
    "saturated": requests(400.0, 1.0),
    "reference of one": requests(0.1, 3.0, ONES),
    "slowdowns without delay": requests(0.0, 0.0, EDGES_S[:-1] / 2, EDGES_S[1:] / 2),
    "slowdowns": requests(0.1, 3.0, EDGES_S[:-1], EDGES_S[1:]),
    "slowdowns of wide cells": requests(0.2, 2.0, OTHER_EDGES[:-1], OTHER_EDGES[1:]),
    "a delay for each cell": requests(np.linspace(0.05, 1.0, 8), np.linspace(0.2, 2.5, 8)),
    "cells without width": requests(0.2, 2.0, np.geomspace(0.3, 5.0, 8)),
}


def percentiles(cells):
    return percentiles_of((jax.tree.map(lambda leaf: leaf[None], cells),))[0]


PERCENTILES_OF = jax.jit(percentiles)


@pytest.mark.parametrize("cells", CASES.values(), ids=CASES)
def test_equal_brute_force(cells):
    """To 0.4%, the relative width that every cell has at least."""
    found = np.asarray(PERCENTILES_OF(cells))
    np.testing.assert_allclose(found, brute_force(cells), rtol=4e-3)
    assert (np.diff(found) >= 0.0).all()


def test_without_delay_they_are_those_of_the_workload():
    """Linear between cumulated weights: exact to the width, whatever the number of cells."""
    shares = np.concatenate([[0.0], np.cumsum(WEIGHT)])
    exact = np.interp(np.array(PERCENTILES) / 100.0, shares, EDGES_S)
    np.testing.assert_allclose(PERCENTILES_OF(CASES["no delay"]), exact, rtol=1e-3)


def test_against_drawn_requests():
    """Within 1% of 400,000 draws: cell by weight, place in the cell, delay by its definition."""
    random, draws = np.random.default_rng(7), 400_000
    cells = CASES["rare long waits"]
    cell = random.choice(8, size=draws, p=WEIGHT)
    fixed_s = EDGES_S[cell] + random.random(draws) * np.diff(EDGES_S)[cell]
    waits = random.random(draws) < float(cells.delay.chance)
    delay_s = float(cells.delay.shift_s) + waits * random.exponential(
        float(cells.delay.scale_s), draws
    )
    drawn_s = np.percentile(fixed_s + delay_s, PERCENTILES)
    np.testing.assert_allclose(PERCENTILES_OF(cells), drawn_s, rtol=1e-2)


def test_cells_without_weight_do_not_count():
    cells = CASES["slowdowns"]

    def more(leaf, value):
        return jnp.concatenate([leaf, jnp.asarray([value], dtype=float)])

    extended = Requests(
        fixed_low_s=more(cells.fixed_low_s, 1e4),
        fixed_high_s=more(cells.fixed_high_s, 2e4),
        reference_low=more(cells.reference_low, 1e-3),
        reference_high=more(cells.reference_high, 1e-3),
        delay=cells.delay,
        weight=more(cells.weight, 0.0),
    )
    np.testing.assert_allclose(PERCENTILES_OF(extended), PERCENTILES_OF(cells), rtol=1e-5)


@pytest.mark.parametrize("cv", [0.3, 2.0])
def test_derivatives_equal_those_of_brute_force(cv):
    """With respect to the mean delay, at constant coefficient of variation, to 1%."""
    cells = requests(1.0, cv)

    def of_mean(mean_s):
        delay = delay_from_moments(mean_s, (cv * mean_s) ** 2)
        return percentiles(replace(cells, delay=delay))

    found = jax.jit(jax.jacfwd(of_mean))(jnp.asarray(0.3))
    step = 0.01
    above, below = (brute_force(requests(0.3 + s, cv), 10_000) for s in (step, -step))
    np.testing.assert_allclose(found, (above - below) / (2 * step), rtol=1e-2)


def test_more_delay_is_never_less():
    means_s = np.geomspace(1e-4, 1e3, 36)
    found = np.array([PERCENTILES_OF(requests(mean_s, 2.0)) for mean_s in means_s])
    assert (np.diff(found, axis=0) > 0.0).all()


def test_no_percentile_is_below_what_everybody_takes():
    """Most take 0.03 s, and the others an even wait of up to 46 s more, written around its mean."""
    wait_s, half_s = 23.0, 22.99
    even = Requests(
        fixed_low_s=jnp.asarray([0.03, 0.03 - half_s]),
        fixed_high_s=jnp.asarray([0.03, 0.03 + half_s]),
        reference_low=jnp.ones(2),
        reference_high=jnp.ones(2),
        delay=delay_from_moments(jnp.asarray([0.0, wait_s]), jnp.zeros(2)),
        weight=jnp.asarray([0.63, 0.37]),
    )
    p50, p90, _ = PERCENTILES_OF(even)
    assert float(p50) == pytest.approx(0.03, rel=0.01)
    assert float(p90) == pytest.approx(0.03 + wait_s + half_s * (1.0 - 2.0 * 0.1 / 0.37), rel=0.01)


def test_between_cells_a_percentile_is_where_the_next_one_begins():
    # Weights whose sums round otherwise in float32 than in float64, and nobody from 1 to 4 s.
    weight = np.array([0.3, 0.3, 0.3, 0.05, 0.05])
    low_s, high_s = np.array([0.2, 0.4, 0.7, 4.0, 5.0]), np.array([0.5, 0.8, 1.0, 5.0, 6.0])
    delay = delay_from_moments(*as_arrays((1e-6, 1e-14)))
    for order in (slice(None), slice(None, None, -1)):
        cells = Requests(low_s[order], high_s[order], None, None, delay, weight[order])
        assert percentiles(as_arrays(cells))[1] == pytest.approx(4.0, rel=0.01)
