"""Token machines that prompts visit: nobody comes, hardly anybody does, and there is only one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma

from splitmodel.cluster.mixed_machines import Decoding, Visitors, mixed_machines
from splitmodel.specs.leaves import as_arrays

pytestmark = pytest.mark.numerics

STEP_S, MEAN, MOST = 0.03, 100.0, 1e3


@pytest.fixture(scope="module")
def sizes(case_of):
    """Requests whose outputs are exponential, so that what is left of one is like a new one."""
    outputs = 1.0 - MEAN * np.log1p(-(np.arange(20_000) + 0.5) / 20_000)
    return case_of(outputs.round()).sizes


def mixed(sizes, visits_rps, busy, batch=20.0, servers=10.0, helped=0.0):
    visitors = Visitors(visits_rps, busy, 0.5 * busy)
    decoding = Decoding(batch, STEP_S, servers, MOST, helped)
    return mixed_machines(sizes, *as_arrays((visitors, decoding)))


def test_without_visits_all_machines_are_left(sizes):
    found = mixed(sizes, 0.0, 0.0)
    assert float(found.left) == pytest.approx(10.0)


def test_a_rare_visit_takes_a_machine_until_its_last_decode_ends(sizes):
    """The largest of b exponential times is their harmonic number times the mean."""
    visits_rps, batch = 1e-5, 20
    # The machine with the fewest has two deviations less.
    fewest = batch / (1.0 + 2.0 / np.sqrt(batch))
    drain_s = STEP_S * MEAN * (digamma(fewest + 1.0) + np.euler_gamma)
    found = mixed(sizes, visits_rps, 0.0, batch)
    # Its decodes are on no other machine meanwhile: nearly a machine less them.
    rest = STEP_S * MEAN * visits_rps * fewest / batch / 10.0
    expected = 10.0 * (1.0 - visits_rps * drain_s / 10.0) / (1.0 - rest)
    assert 10.0 - float(found.left) == pytest.approx(10.0 - expected, rel=0.1)


def test_the_only_machine_cannot_be_avoided(sizes):
    found = mixed(sizes, 0.5, 0.1, servers=1.0)
    assert float(found.left) == pytest.approx(1.0)
    assert float(found.met) == pytest.approx(20.0)


def test_all_machines_are_mixed_where_many_prompts_visit(sizes):
    """Decodes then come to all of them again, and each prompt meets as many as there are."""
    found = mixed(sizes, 20.0, 4.0, servers=12.0)
    assert float(found.left) == pytest.approx(12.0, rel=0.01)
    assert float(found.met) == pytest.approx(20.0, rel=0.01)


def test_with_a_full_token_pool_decodes_keep_machines_mixed_unless_others_take_them(sizes):
    few, many = (mixed(sizes, 0.05, 0.01, batch=0.9 * MOST, helped=helped) for helped in (1.0, 0.0))
    assert float(many.met) > 1.2 * float(few.met)


def test_decodes_come_while_a_prompt_is_there(sizes):
    """To a machine that has just become mixed as to any other; to the only one all the time."""
    busy = 1e-6
    assert float(mixed(sizes, 1e-6, busy).coming) == pytest.approx(0.5 * busy / 10.0, rel=1e-3)
    assert float(mixed(sizes, 0.5, 0.1, servers=1.0).coming) == pytest.approx(0.1)


def test_more_visits_leave_fewer_machines_and_meet_fewer_decodes(sizes):
    # With more, all machines are mixed, and decodes come to them again.
    visits_rps = jnp.logspace(-4.0, 0.0, 60)
    found = jax.vmap(lambda rate: mixed(sizes, rate, 0.2 * rate, servers=40.0))(visits_rps)
    assert (np.diff(found.left) <= 1e-4).all()
    assert (np.diff(found.met) <= 1e-4).all()
    assert ((found.left > 0.0) & (found.left <= 40.0)).all()


@pytest.mark.parametrize("batch", [0.1, 0.5, 2.0])
def test_a_decode_meets_no_more_visits_than_there_are_while_it_stays(sizes, batch):
    """Also of many machines with few decodes, where the first prompt of a burst meets nobody."""
    visits_rps = 5.0
    found = mixed(sizes, visits_rps, 1.0, batch, servers=100.0)
    longest_s = STEP_S * float(sizes.step_edges[-1])
    assert 0.0 < float(found.begun) <= float(found.met)
    assert float(found.met / found.begun) <= visits_rps * longest_s


@pytest.mark.parametrize(
    ("visits_rps", "batch", "servers"), [(1e6, 0.0, 1.0), (1e6, 1e3, 1e4), (0.0, 0.0, 0.1)]
)
def test_extremes_stay_finite(sizes, visits_rps, batch, servers):
    found = mixed(sizes, visits_rps, visits_rps, batch, servers)
    slope = jax.grad(lambda rate: mixed(sizes, rate, rate, batch, servers).left)(visits_rps)
    assert all(np.isfinite(each) for each in (*found, slope))
    assert 0.0 < float(found.left) <= servers * (1.0 + 1e-6)
