"""Token machines that prompts visit: nobody comes, hardly anybody does, and there is only one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.cluster.mixed_machines import mixed_machines

pytestmark = pytest.mark.numerics

STEP_S, MEAN, MOST = 0.03, 100.0, 1e3


@pytest.fixture(scope="module")
def case(case_of):
    """Requests whose outputs are exponential, so that what is left of one is like a new one."""
    outputs = 1.0 - MEAN * np.log1p(-(np.arange(20_000) + 0.5) / 20_000)
    return case_of(outputs.round())


def mixed(case, visits_rps, busy, batch=20.0, servers=10.0, helped=0.0):
    arguments = (visits_rps, busy, 0.5 * busy, batch, STEP_S, servers, MOST, helped)
    return mixed_machines(case, *(jnp.asarray(each, dtype=float) for each in arguments))


def test_without_visits_all_machines_are_left(case):
    found = mixed(case, 0.0, 0.0)
    assert float(found.left) == pytest.approx(10.0)


def test_a_rare_visit_takes_a_machine_until_its_last_decode_ends(case):
    """The largest of b exponential times is their harmonic number times the mean."""
    visits_rps, batch = 1e-5, 20
    drain_s = STEP_S * MEAN * np.sum(1.0 / np.arange(1, batch + 1))
    found = mixed(case, visits_rps, 0.0, batch)
    # Its decodes are on no other machine meanwhile: nearly a machine less them.
    rest = STEP_S * MEAN * visits_rps / 10.0
    expected = 10.0 * (1.0 - visits_rps * drain_s / 10.0) / (1.0 - rest)
    assert 10.0 - float(found.left) == pytest.approx(10.0 - expected, rel=0.1)


def test_the_only_machine_cannot_be_avoided(case):
    found = mixed(case, 0.5, 0.1, servers=1.0)
    assert float(found.left) == pytest.approx(1.0)
    assert float(found.met) == pytest.approx(20.0)


def test_decodes_come_while_a_prompt_is_there(case):
    """To a machine that has just become mixed as to any other; to the only one all the time."""
    busy = 1e-6
    assert float(mixed(case, 1e-6, busy).coming) == pytest.approx(0.5 * busy / 10.0, rel=1e-3)
    assert float(mixed(case, 0.5, 0.1, servers=1.0).coming) == pytest.approx(0.1)


def test_more_visits_leave_fewer_machines_and_meet_fewer_decodes(case):
    # With more, all machines are mixed, and decodes come to them again.
    visits_rps = jnp.logspace(-4.0, 0.0, 60)
    found = jax.vmap(lambda rate: mixed(case, rate, 0.2 * rate, servers=40.0))(visits_rps)
    assert (np.diff(found.left) <= 1e-4).all()
    assert (np.diff(found.met) <= 1e-4).all()
    assert ((found.left > 0.0) & (found.left <= 40.0)).all()


@pytest.mark.parametrize(
    ("visits_rps", "batch", "servers"), [(1e6, 0.0, 1.0), (1e6, 1e3, 1e4), (0.0, 0.0, 0.1)]
)
def test_extremes_stay_finite(case, visits_rps, batch, servers):
    found = mixed(case, visits_rps, visits_rps, batch, servers)
    slope = jax.grad(lambda rate: mixed(case, rate, rate, batch, servers).left)(visits_rps)
    assert all(np.isfinite(each) for each in (*found, slope))
