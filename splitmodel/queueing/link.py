"""Wait for links behind the servers that feed them.

A customer moves over a link out of its server and one into another server, each first come, first
served. It can be on its way while it is served and while the rest of it is still to come, so that
of stages in a row only the slowest one has a queue: what arrives there has been held up before.

For one server in front of one link that is exact. Let customer j be served for T after all before
it, and keep the link busy for c·T with c > 1, from the start of its service at s on. The link is
done with it at max(s, f') + c·T, f' being the time at which it was done with the one before. As
service is over before that, s counts only where it is the arrival, and the link is a queue by
itself. Where c ≤ 1 it never has one.

References:
    Friedman, Operations Research 13, 121–131 (1965), for stages in a row whose services are
    constant or proportional; Kleinrock, Queueing Systems I (1975), section 5.7, for one link.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from splitmodel.units import Scalar


class Wait(NamedTuple):
    """Wait of a queue by itself, over all customers."""

    mean_s: Scalar
    second_s2: Scalar
    """Second moment [s²]."""

    @property
    def variance_s2(self) -> Scalar:
        """Variance [s²]."""
        return self.second_s2 - self.mean_s**2

    def outlasting(self, hidden_s: Scalar) -> Wait:
        """What is left after a time that hides it, if who waits does so exponentially."""
        share = jnp.exp(-2.0 * hidden_s * self.mean_s / jnp.maximum(self.second_s2, 1e-20))
        return Wait(share * self.mean_s, share * self.second_s2)


def link_wait(
    served: Wait, out: Wait, into: Wait, senders: Scalar, hidden_s: Scalar
) -> tuple[Scalar, Scalar]:
    """Mean [s] and variance [s²] of what the links add to the wait for service.

    Args:
        served: wait for service.
        out: wait for a link out of a server, if service took no time.
        into: wait for a link into one, by itself.
        senders: n, a positive real number; below one it counts as one. Who comes to a receiver
            meets customers of the other senders, with the share 1 − 1/n, as they come by
            themselves, and those of its own sender in a row.
        hidden_s: time that a customer is served beyond its time on the link; a wait no longer than
            that is not seen [s].
    """
    same = 1.0 / jnp.maximum(senders, 1.0)
    row = _slower(served, out)
    own = _behind(served, out.outlasting(hidden_s))
    others = into.outlasting(hidden_s)
    others = Wait((1.0 - same) * others.mean_s, (1.0 - same) * others.second_s2)
    last = _behind(row, into)
    return (
        own[0] + others.mean_s + same * last[0],
        own[1] + others.variance_s2 + same * last[1],
    )


def _slower(first: Wait, second: Wait) -> Wait:
    return Wait(*(jnp.maximum(*pair) for pair in zip(first, second, strict=True)))


def _behind(before: Wait, wait: Wait) -> tuple[Scalar, Scalar]:
    """Mean and variance that a queue adds to that in front of it."""
    return (
        jnp.maximum(wait.mean_s - before.mean_s, 0.0),
        jnp.maximum(wait.variance_s2 - before.variance_s2, 0.0),
    )
