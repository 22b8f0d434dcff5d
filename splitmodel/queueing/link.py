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
    proportional; Kleinrock, Queueing Systems I (1975), section 5.7, for one link.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.queueing.multi_server import wait_moments
from splitmodel.units import Scalar

_EVEN = 2.0
"""Of receivers with N customers each, about N/(N + this) of what comes to a link comes whether or
not others are on their way to it."""

_TINY_S = 1e-7
"""Waits below this are none for every purpose here; keeps divisions finite [s]."""


class Wait(eqx.Module):
    """Wait of a queue by itself, over all customers."""

    mean_s: Scalar
    second_s2: Scalar
    """Second moment [s²]."""

    @property
    def variance_s2(self) -> Scalar:
        """Variance [s²]."""
        return self.second_s2 - self.mean_s**2

    def outlasting(self, hidden_s: Scalar, shown: Scalar) -> Wait:
        """What is left after a time that hides it, if who waits does so exponentially.

        A share of all is `shown` whatever that time is.
        """
        left = jnp.exp(-2.0 * hidden_s * self.mean_s / jnp.maximum(self.second_s2, _TINY_S**2))
        return self.of(shown + (1.0 - shown) * left)

    def within(self, room_s: Scalar) -> Wait:
        """What is left where it cannot be longer than a time: half of that, if it was as long."""
        left = room_s / (room_s + self.mean_s + _TINY_S)
        return Wait(left * self.mean_s, left**2 * self.second_s2)

    def of(self, share: Scalar) -> Wait:
        """That wait for a share of all, and none for the others."""
        return Wait(share * self.mean_s, share * self.second_s2)

    def or_longer(self, other: Wait) -> Wait:
        """The longer one."""
        return Wait(
            jnp.maximum(self.mean_s, other.mean_s), jnp.maximum(self.second_s2, other.second_s2)
        )

    def behind(self, before: Wait) -> Wait:
        """What this queue adds to that in front of it, through which its customers came."""
        mean_s = jnp.maximum(self.mean_s - before.mean_s, 0.0)
        variance_s2 = jnp.maximum(self.variance_s2 - before.variance_s2, 0.0)
        return Wait(mean_s, variance_s2 + mean_s**2)


def free_link(mean_s: Scalar, second_s2: Scalar, load: Scalar, links: Scalar) -> Wait:
    """Wait where each customer takes the link, of n, that is free first.

    Args:
        mean_s: time that a customer keeps a link busy [s].
        second_s2: its second moment [s²].
        load: share of time that links are busy, in [0, 1).
        links: n, a positive real number; below one it counts as one.
    """
    return Wait(*wait_moments(mean_s, second_s2, load, 1.0 - load, links))


def even_link(
    mean_s: Scalar, second_s2: Scalar, load: Scalar, links: Scalar, inside: Scalar
) -> Wait:
    """Wait where each customer takes the link of the receiver, of n, that holds the least.

    A receiver holds those on their way and those that have come. It gets a new one when it has less
    than others, so that n receivers are n closed circles: who is still on the way keeps the next
    one away. With many that have come, they are queues by themselves; with none, the link that is
    free first is taken.

    Args:
        mean_s: time that a customer keeps a link busy [s].
        second_s2: its second moment [s²].
        load: share of time that links are busy, in [0, 1).
        links: n, a positive real number; below one it counts as one.
        inside: customers that have come and still stay, mean per receiver.
    """
    circle = inside + load + 1e-9
    choice = 1.0 - 1.0 / jnp.maximum(links, 1.0)
    by_chance = load * circle / (circle + _EVEN * choice)
    alone = free_link(mean_s, second_s2, by_chance, jnp.ones_like(links))
    return alone.or_longer(free_link(mean_s, second_s2, load, links))


def link_wait(
    served: Wait, out: Wait, into: Wait, senders: Scalar, hidden_s: Scalar, shown: Scalar
) -> Wait:
    """What the links add to the wait for service.

    Args:
        served: wait for service.
        out: wait for a link out of a server, if service took no time.
        into: wait for a link into one, by itself.
        senders: n, a positive real number; below one it counts as one. Who comes to a receiver
            meets customers of the other senders, with the share 1 − 1/n, as they come by
            themselves, and those of its own sender in a row.
        hidden_s: time that a customer is served beyond its time on the link; a wait no longer than
            that is not seen [s].
        shown: share of customers who set out when they have been served, so that nothing is hidden.
    """
    same = 1.0 / jnp.maximum(senders, 1.0)
    parts = (
        out.outlasting(hidden_s, shown).behind(served),
        into.outlasting(hidden_s, shown).of(1.0 - same),
        into.behind(served.or_longer(out)).of(same),
    )
    mean_s = sum((part.mean_s for part in parts), start=0.0)
    variance_s2 = sum((part.variance_s2 for part in parts), start=0.0)
    return Wait(mean_s, variance_s2 + mean_s**2)
