"""What is taken from simulations of mixed machines, against cases that can be told by hand."""

import numpy as np
import pytest

from splitmodel.cluster.mixed_machines import FITTED
from splitmodel_calibration import mixed

HIGHEST_RPS = 17.0
"""About what the cluster serves that is drawn."""


def test_time_together_counts_everybody_who_is_there():
    start_s, end_s = np.array([0.0, 1.0, 5.0]), np.array([3.0, 2.0, 6.0])
    np.testing.assert_allclose(mixed._together_s(start_s, end_s), [4.0, 2.0, 1.0])


@pytest.mark.parametrize("in_a_row", [1, 3])
def test_visits_in_a_row_are_told_from_how_far_their_number_varies(in_a_row):
    """A geometric number of mean k varies as 2k − 1 that are always together."""
    rng = np.random.default_rng(5)
    steps = rng.geometric(0.01, size=400_000).astype(float)
    met = in_a_row * rng.poisson(0.02 * steps).astype(float)
    total = {
        "met": met.sum(),
        "met2": (met**2).sum(),
        "met_steps": (met * steps).sum(),
        "steps": steps.sum(),
        "steps2": (steps**2).sum(),
    }
    assert mixed._in_a_row(total) == pytest.approx(0.5 * (1 + in_a_row), rel=0.05)


def test_a_single_token_machine_is_met_as_it_is(monkeypatch):
    """It has no other to leave decodes to: each visit meets them all."""
    drawn = mixed.case(mixed.SEED, 51)
    assert (drawn.token, drawn.mixed_pool) == (1, True)
    monkeypatch.setattr(mixed, "max_rate", lambda *_, **__: HIGHEST_RPS)
    drawn = mixed.draw(51)
    assert drawn is not None
    pool, seen = drawn
    batch = float(pool.decoding.batch)
    assert batch == pytest.approx(float(seen.met), rel=0.2)
    told = pool.found(FITTED)
    assert float(told.met) == pytest.approx(float(seen.met), rel=0.2)
    assert float(told.company) == pytest.approx(float(seen.company), rel=0.2)
    assert 0.0 < seen.begun <= seen.met
    assert 0.0 < seen.coming < 1.0
