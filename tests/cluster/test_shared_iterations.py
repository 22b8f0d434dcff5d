"""Prompts that share iterations: the ends at which what happens is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.cluster.shared_iterations import Together, shared_iterations
from splitmodel.queueing.shortest_queue import Sharing

pytestmark = pytest.mark.numerics

PREFILL_S, DECODE_S, PAIR, DISCOUNT, MOST = 0.1, 0.03, 0.7, 0.4, 6.0
TOGETHER = Together(Sharing(jnp.asarray(PAIR), jnp.asarray(MOST)), jnp.asarray(DISCOUNT))


def shared(rate_rps, machines=40.0, decode_s=DECODE_S):
    return shared_iterations(
        jnp.asarray(rate_rps),
        jnp.asarray(machines),
        jnp.asarray(PREFILL_S),
        jnp.asarray(decode_s),
        TOGETHER,
    )


def test_rare_prompts_have_an_iteration_each():
    """At a load of a tenth over many machines, and half a decode iteration of waiting."""
    found = shared(1.0)
    assert float(found.batched) == pytest.approx(1.0, abs=1e-4)
    assert float(found.iterations) == pytest.approx(1.0, abs=1e-4)
    assert float(found.busy) == pytest.approx(PREFILL_S, rel=1e-3)
    assert float(found.occupied) == pytest.approx(PREFILL_S + 0.5 * DECODE_S, rel=1e-3)


def test_machines_that_all_have_prompts_alternate():
    """What comes in a decode iteration and one with prompts is the next one: k = λ·(t + s(k))."""
    rate_rps = 14.0
    found = shared(rate_rps, machines=200.0)
    counts = np.linspace(1.0, MOST, 50_001)
    batch_s = PREFILL_S * np.interp(counts, [1.0, 2.0, MOST], [1.0, 2.0 * PAIR, MOST * DISCOUNT])
    at = np.argmin(np.abs(rate_rps * (DECODE_S + batch_s) - counts))
    assert 2.0 < counts[at] < MOST
    # Hardly all machines have prompts all the time, which makes up for the rest.
    assert batch_s[at] / counts[at] / PREFILL_S < float(found.batched) < 0.8
    delay_s = DECODE_S + batch_s[at] - PREFILL_S
    assert float(found.cycle_s) == pytest.approx(delay_s, rel=0.02)


def test_iterations_are_shared_more_the_more_prompts_come():
    found = [shared(rate_rps) for rate_rps in np.linspace(0.5, 20.0, 30)]
    batched = np.array([float(each.batched) for each in found])
    assert (np.diff(batched) < 1e-6).all()
    assert ((batched >= DISCOUNT - 1e-6) & (batched <= 1.0)).all()


def test_cycles_become_no_shorter_where_full_batches_are_too_slow():
    """Beyond a batch of all that fits, more prompts do not make iterations shorter."""
    filling_rps = MOST / (DECODE_S + MOST * DISCOUNT * PREFILL_S)
    found = [shared(rate_rps) for rate_rps in filling_rps * np.linspace(0.5, 1.1, 30)]
    cycle_s = np.array([float(each.cycle_s) for each in found])
    assert (np.diff(cycle_s) > -1e-6).all()
    full_s = DECODE_S + (MOST * DISCOUNT - 1.0) * PREFILL_S
    assert cycle_s[-1] == pytest.approx(full_s, rel=1e-3)


def test_where_nothing_decodes_the_next_prompts_wait_for_those_in_service():
    found = shared(9.9, machines=200.0, decode_s=0.0)
    assert float(found.cycle_s) >= 0.5 * PREFILL_S


def test_few_machines_share_sooner_than_many():
    assert float(shared(5.0, machines=1.0).batched) < float(shared(5.0, machines=40.0).batched)


def test_what_decodes_add_to_an_iteration_is_there_once():
    """Two prompts or a full batch next to decodes that double the time of one prompt."""
    pair, most = TOGETHER.next_to_decodes(jnp.asarray(0.5)).sharing
    lone_s, decodes_s = 1.0, 1.0
    assert float(pair) == pytest.approx((2.0 * PAIR * lone_s + decodes_s) / 2.0 / 2.0)
    full = TOGETHER.next_to_decodes(jnp.asarray(0.5)).discount
    assert float(full) == pytest.approx((MOST * DISCOUNT * lone_s + decodes_s) / MOST / 2.0)
    assert float(most) == MOST
