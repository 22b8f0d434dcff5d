"""Crossings between spots, against closed forms and where functions bend and jump."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.queueing.interpolation import bracket_among, spot

pytestmark = pytest.mark.numerics

POINTS = (0.1, 9.0, 2.0, 5.0, 12.0)
"""The ends, and between them others in no order."""


def crossings(function, steps, points=POINTS):
    """Where several functions fall to one; `function` is elementwise, of shape [functions]."""
    bracket = bracket_among([spot(at, function(at)) for at in (jnp.full(3, at) for at in points)])

    def step(_, last):
        return last.narrowed(spot(last.inside, function(last.inside)))

    return jax.lax.fori_loop(0, steps, step, bracket).crossing


def test_the_nearest_two_on_each_side_are_kept():
    at = jnp.asarray([6.0, 4.0, 1.0])
    points = [jnp.full(3, point) for point in POINTS]
    bracket = bracket_among([spot(point, at / point) for point in points])
    kept = np.transpose([spot.point for spot in bracket])
    np.testing.assert_allclose(kept, [[2, 5, 9, 12], [0.1, 2, 5, 9], [0.1, 0.1, 2, 5]])


def test_exponentials_are_exact_without_a_step():
    starts = jnp.asarray([20.0, 60.0, 300.0])
    found = crossings(lambda x: starts * jnp.exp(-x), 0)
    np.testing.assert_allclose(found, np.log(starts), rtol=1e-5)


FALLS = {
    "kink": lambda x, at: 1.0 + jnp.where(x < at, 0.02, 0.08) * (at - x),
    "jump": lambda x, at: jnp.where(x < at, 2.0, 1e-6),
}


@pytest.mark.parametrize("fall", FALLS.values(), ids=FALLS)
def test_kinks_and_jumps_are_narrowed_down(fall):
    at = jnp.asarray([0.3, 1.9, 8.0])
    errors = np.stack([np.abs(crossings(lambda x: fall(x, at), n) - at) for n in (4, 12, 40)])
    assert (errors < np.array([[0.5], [0.1], [1e-4]])).all()


def test_a_wide_bracket_is_narrowed_down_in_ratios():
    """To a drop, beyond which the function stays close below one for long."""
    at = jnp.asarray([0.02, 0.3, 50.0])
    found = crossings(lambda x: jnp.where(x < at, 2.0, 0.99), 14, (0.01, 1000.0))
    np.testing.assert_allclose(found, at, rtol=0.02)


def test_where_nothing_crosses_the_ends_hold():
    found = np.asarray(crossings(lambda x: jnp.asarray([5.0, 0.5, 1.0]), 3))
    assert ((found >= POINTS[0]) & (found <= POINTS[-1])).all()
