"""Stalls of decodes: one machine as an M/G/1 queue, and the ends of regularity."""

import jax.numpy as jnp
import pytest

from splitmodel.cluster.shared_iterations import Shared
from splitmodel.cluster.stalls import stalls
from splitmodel.queueing.shortest_queue import Delays

pytestmark = pytest.mark.numerics

PREFILL_S, STEP_S = 0.1, 0.03


def held_up(load, rides=0.0, met=1.0):
    """A machine whose prompts all take the same time and none shares an iteration: M/D/1."""
    rate_rps = load / PREFILL_S
    load, one = jnp.asarray(load), jnp.ones(())
    shared = Shared(occupied=load, batched=one, iterations=one, busy=load, cycle_s=one)
    rest_s = 0.5 * PREFILL_S * one
    queue = Delays(load, rest_s / (1.0 - load), one, rest_s, rest_s, rest_s**2)
    moments = (PREFILL_S * one, PREFILL_S**2 * one, PREFILL_S**3 * one)
    rest = (jnp.asarray(rides), jnp.asarray(met), shared, queue)
    return stalls(
        STEP_S * one, rate_rps * one, PREFILL_S * one, moments, *rest, PREFILL_S * one, one
    )


@pytest.mark.parametrize("load", [0.05, 0.3, 0.7])
def test_who_leaves_a_queue_waits_for_those_behind(load):
    """Pollaczek and Khinchine's number, each with all that come while it is served."""
    behind = load + 0.5 * load**2 / (1.0 - load)
    assert float(held_up(load).first_s) == pytest.approx(behind * PREFILL_S / (1.0 - load))


def test_steps_take_longer_by_the_share_of_time_in_prompts():
    assert float(held_up(0.4).mean_s) == pytest.approx(STEP_S * (1.0 / 0.6 - 1.0))


def test_rare_prompts_are_a_compound_poisson_process():
    load = 1e-3
    steps = load / PREFILL_S * STEP_S
    found = held_up(load)
    assert float(found.variance_s2) == pytest.approx(steps * PREFILL_S**2, rel=0.01)
    assert float(found.third_s3) == pytest.approx(steps * PREFILL_S**3, rel=0.01)


def test_one_prompt_in_every_step_is_certain():
    """Where decodes ride along with a prompt in each iteration, nothing varies."""
    found = held_up(0.9, rides=1.0)
    assert float(found.variance_s2) == pytest.approx(0.0, abs=1e-6)
    assert float(found.first_s) == pytest.approx(0.0, abs=1e-6)


def test_stalls_gather_where_prompts_meet_few_of_the_decodes():
    """In the limit some have all of them, and others none: (1 − met)/met of the mean's square."""
    assert float(held_up(0.3).lasting_s2) == 0.0
    few, many = (held_up(0.3, met=met) for met in (0.2, 0.8))
    assert float(few.lasting_s2) == pytest.approx(16.0 * float(many.lasting_s2))
    assert 0.0 < float(few.lasting_s2) < 4.0 * float(few.mean_s) ** 2
