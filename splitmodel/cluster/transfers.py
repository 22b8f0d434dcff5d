"""KV-cache transfers of a phase-splitting cluster, and the links that they share."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.costs import Costs
from splitmodel.cluster.flow import FULLEST
from splitmodel.cluster.sizes import cell_moments
from splitmodel.iteration.instance import Instance
from splitmodel.iteration.memory import kv_bytes_per_token, kv_capacity_bytes
from splitmodel.iteration.transfer import token_link_s, visible_transfer_s
from splitmodel.queueing.link import Wait, even_link, free_link, link_wait
from splitmodel.specs.cluster import KV_TRANSFERS, Pool
from splitmodel.units import Scalar

_LEAST_S = 1e-9
"""A transfer takes no less of a link, so that rates are finite."""


class Links(eqx.Module):
    """Links in one direction, of a pool's instances."""

    count: Scalar
    mean_s: Scalar
    """Time that a request keeps one busy, mean over requests [s]; zero where nothing moves."""
    second_s2: Scalar
    room_s: Scalar
    """Time that it takes to move all that an instance's memory holds [s]."""

    @property
    def most_rps(self) -> Scalar:
        """Rate at which all are busy all the time [requests/s]."""
        return self.count / jnp.maximum(self.mean_s, _LEAST_S)

    def at(self, rate_rps: Scalar) -> tuple[Scalar, Scalar, Scalar, Scalar]:
        """Moments of the time on a link [s], [s²], load, and number of links."""
        load = jnp.minimum(rate_rps / self.most_rps, FULLEST)
        return self.mean_s, self.second_s2, load, self.count


class Transfers(eqx.Module):
    """Transfers from the prompt to the token pool."""

    edges_s: Scalar
    """Visible delay of a transfer that has its links to itself, at the prompt cells' edges [s],
    [cells+1]."""
    out: Links
    into: Links
    hidden_s: Scalar
    """Mean time by which prefill outlasts a transfer that overlaps with it [s]."""
    serialized: Scalar
    """Share of the prompts whose transfer begins when prefill has ended, if each comes alone."""
    forced: Scalar
    """1 where that is so whatever comes together, else 0."""
    full: Scalar
    """Prompts in a full batch."""

    def wait(self, sent_rps: Scalar, placed_rps: Scalar, served: Wait, batch: Scalar) -> Wait:
        """Visible wait for links, of requests that go from one pool to the other.

        Args:
            sent_rps: prompts of the prompt pool [requests/s].
            placed_rps: decodes of the token pool [requests/s].
            served: wait for prefill.
            batch: requests that decode together on an instance.
        """
        out = free_link(*self.out.at(sent_rps)).within(self.out.room_s)
        into = even_link(*self.into.at(placed_rps), batch).within(self.into.room_s)
        wait = link_wait(served, out, into, self.out.count, self.hidden_s, self.serialized)
        # Where it is forced, prompts of a batch show one after the other: as many come after a
        # prompt as before it, and these are those that waited when it came.
        before = jnp.minimum(sent_rps / self.out.count * served.mean_s, 0.5 * (self.full - 1.0))
        batch_s = self.forced * before * self.out.mean_s
        return wait.or_longer(Wait(batch_s, 2.0 * batch_s**2))


def transfers_of(case: Case, prompt: Instance, token: Instance, on_prompt: Costs) -> Transfers:
    """Transfers of a case's requests, with what these cost a prompt machine."""
    cluster, load, how = case.cluster, case.load, case.cluster.kv_transfer
    service = on_prompt.service

    def alone_s(how: Scalar | float) -> Scalar:
        return visible_transfer_s(
            load.prompt_edges_tokens,
            service.edges_s,
            case.model,
            (prompt, token),
            case.semantics,
            jnp.asarray(how),
        )

    # A request of one token does not move.
    moving = jnp.sum(jnp.where(load.output_tokens > 1.0, load.weight, 0.0), axis=1)
    if case.semantics.transfer_bytes_per_s is not None:
        moving = jnp.zeros_like(moving)
    tokens = cell_moments(load.prompt_edges_tokens, load.prompt_tokens, moving)[:2]
    out, into = (
        _links(case, cluster.prompt, prompt, tokens),
        _links(case, cluster.token, token, tokens),
    )
    serialized, layerwise = map(_code, ("serialized", "layerwise"))
    faster = _positive(alone_s(layerwise) - alone_s(serialized))
    forced = jnp.where(how == serialized, 1.0, 0.0)
    share = jnp.where(how == layerwise, 0.0, jnp.sum(case.sizes.prompt_weight * faster))
    spare_s = service.mean_s - jnp.maximum(out.mean_s, into.mean_s)
    return Transfers(
        edges_s=alone_s(how),
        out=out,
        into=into,
        hidden_s=jnp.maximum(spare_s, 0.0),
        serialized=jnp.maximum(forced, share),
        forced=forced,
        full=on_prompt.sharing.most,
    )


def _code(kv_transfer: str) -> float:
    return float(KV_TRANSFERS.index(kv_transfer))


def _positive(edges: Scalar) -> Scalar:
    """Share of each cell in which a value is positive, if it is linear between edges, [cells]."""
    positive, size = jnp.maximum(edges, 0.0), jnp.abs(edges)
    return (positive[1:] + positive[:-1]) / jnp.maximum(size[1:] + size[:-1], _LEAST_S)


def _links(case: Case, pool: Pool, instance: Instance, tokens: tuple[Scalar, Scalar]) -> Links:
    mean, second = tokens
    token_s = token_link_s(instance, case.model, case.semantics, case.cluster.kv_transfer)
    room_bytes = jnp.maximum(kv_capacity_bytes(instance, case.model, case.semantics), 0.0)
    return Links(
        count=jnp.maximum(pool.machines * instance.per_machine, 1e-6),
        mean_s=token_s * mean,
        second_s2=token_s**2 * second,
        room_s=token_s * room_bytes / kv_bytes_per_token(case.model, case.semantics),
    )
