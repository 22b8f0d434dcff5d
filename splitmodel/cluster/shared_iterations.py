"""Prompts that share an iteration on machines that also decode."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from splitmodel.cluster.flow import FULLEST
from splitmodel.queueing.shortest_queue import Sharing, busy_chance, cycle_batch
from splitmodel.units import Scalar


class Together(NamedTuple):
    """What prompts save together."""

    sharing: Sharing
    """Two of them, and how many fill a batch."""
    discount: Scalar
    """Iteration time per prompt in full batches, over that of one alone."""

    def next_to_decodes(self, own: Scalar) -> Together:
        """The same where decodes ride along: what they add to an iteration is there once.

        Args:
            own: time of an iteration with one prompt and nobody else, over that with decodes.
        """
        added, (pair, most) = 1.0 - own, self.sharing
        return Together(Sharing(own * pair + 0.5 * added, most), own * self.discount + added / most)


class Shared(NamedTuple):
    """How prompts share iterations."""

    occupied: Scalar
    """Share of time in which a machine has a prompt."""
    batched: Scalar
    """Iteration time per prompt, over that of one alone."""
    iterations: Scalar
    """Iterations per prompt, at most one."""
    busy: Scalar
    """Share of time with prompts in the iteration."""
    cycle_s: Scalar
    """Delay beyond a prefill alone where all of many machines have prompts [s]."""


def shared_iterations(
    rate_rps: Scalar,
    count: Scalar,
    prefill_s: Scalar,
    decode_s: Scalar,
    together: Together,
) -> Shared:
    """Prompts wait for the end of a decode iteration, and those who come meanwhile go with them.

    Many machines that all have prompts alternate: an iteration with prompts leaves a machine
    without any, so that it gets the next ones at once. These wait for a decode iteration, and k
    come in the time of both.

    Args:
        rate_rps: prompts of one machine [requests/s].
        count: machines.
        prefill_s: iteration of one prompt [s].
        decode_s: decode iteration between, times the chance that anybody decodes [s].
        together: what prompts save, next to the decodes that there are.
    """
    sharing, discount = together
    alone, both_s = rate_rps * prefill_s, prefill_s + decode_s
    occupied = alone + 0.5 * rate_rps * decode_s
    packed = jnp.minimum(discount * occupied, FULLEST)
    # All machines have a prompt, so that the next one shares an iteration.
    filled = busy_chance(occupied, packed, 1.0 - packed, count, sharing.pair)
    # Where several come in the time of both iterations, hardly one has the next to itself.
    filled = jnp.maximum(filled, -jnp.expm1(jnp.minimum(1.0 - rate_rps * both_s, 0.0)))
    pair = (decode_s + 2.0 * sharing.pair * prefill_s) / (2.0 * both_s)
    prompts = cycle_batch(
        rate_rps * both_s,
        rate_rps * (decode_s / sharing.most + discount * prefill_s),
        Sharing(pair, sharing.most),
    )
    # Full batches that still are too slow leave no decode iteration between them.
    batch_s = prompts * both_s / jnp.maximum(rate_rps * both_s, 1.0) - decode_s
    batch_s = jnp.maximum(batch_s, prompts * discount * prefill_s)
    # Where not all machines have prompts, those that share an iteration are two.
    shared = jnp.clip(
        batch_s / (prompts * prefill_s), discount, jnp.maximum(sharing.pair, discount)
    )
    batched = 1.0 - (1.0 - shared) * filled
    return Shared(
        occupied=occupied,
        batched=batched,
        iterations=1.0 - filled * (1.0 - 1.0 / jnp.maximum(prompts, 2.0)),
        busy=jnp.minimum(batched * alone, FULLEST),
        # Where hardly anybody decodes, prompts are in an iteration, and half of it is left.
        cycle_s=jnp.maximum(decode_s + jnp.maximum(batch_s - prefill_s, 0.0), 0.5 * prefill_s),
    )
