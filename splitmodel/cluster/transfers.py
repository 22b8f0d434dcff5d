"""KV-cache transfers of a phase-splitting cluster, and the links that they share."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.flow import FULLEST
from splitmodel.cluster.prompt_service import PromptService
from splitmodel.cluster.sizes import cell_moments
from splitmodel.iteration.instance import Instance
from splitmodel.iteration.transfer import token_link_s, visible_transfer_s
from splitmodel.queueing.link import Wait, link_wait
from splitmodel.queueing.multi_server import wait_moments
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

    @property
    def most_rps(self) -> Scalar:
        """Rate at which all are busy all the time [requests/s]."""
        return self.count / jnp.maximum(self.mean_s, _LEAST_S)

    def wait(self, rate_rps: Scalar) -> Wait:
        """Wait for the first that is free.

        Prompts choose it among equal queues. Decodes choose the machine with the least memory
        reserved, to which a cache is seldom still on its way.
        """
        load = rate_rps / self.most_rps
        slack = jnp.maximum(1.0 - load, 1.0 - FULLEST)
        return Wait(*wait_moments(self.mean_s, self.second_s2, 1.0 - slack, slack, self.count))


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

    def wait(self, rate_rps: Scalar, served: Wait, full: Scalar) -> tuple[Scalar, Scalar]:
        """Mean [s] and variance [s²] of a request's visible wait for links.

        Args:
            rate_rps: requests of the cluster [requests/s].
            served: wait for prefill.
            full: prompts in a full batch.
        """
        out = self.out.wait(rate_rps)
        into = self.into.wait(rate_rps)
        mean_s, variance_s2 = link_wait(served, out, into, self.out.count, self.hidden_s)
        # Of a batch, prompts go one after the other: as many come after a prompt as before it, and
        # these are those that waited when it came.
        before = jnp.minimum(rate_rps / self.out.count * served.mean_s, 0.5 * (full - 1.0))
        batch_s = self.serialized * before * self.out.mean_s
        return jnp.maximum(mean_s, batch_s), jnp.maximum(variance_s2, batch_s**2)


def transfers_of(
    case: Case, prompt: Instance, token: Instance, service: PromptService
) -> Transfers:
    """Transfers of a case's requests, whose prefill is `service`."""
    cluster, load = case.cluster, case.load
    how = case.model, case.semantics, cluster.kv_transfer
    edges_s = visible_transfer_s(
        load.prompt_edges_tokens,
        service.edges_s,
        case.model,
        (prompt, token),
        case.semantics,
        cluster.kv_transfer,
    )
    # A request of one token does not move.
    moving = jnp.sum(jnp.where(load.output_tokens > 1.0, load.weight, 0.0), axis=1)
    if case.semantics.transfer_bytes_per_s is not None:
        moving = jnp.zeros_like(moving)
    tokens = cell_moments(load.prompt_edges_tokens, load.prompt_tokens, moving)
    out_s, in_s = token_link_s(prompt, *how), token_link_s(token, *how)
    serialized = cluster.kv_transfer == float(KV_TRANSFERS.index("serialized"))
    spare_s = service.mean_s - jnp.maximum(out_s, in_s) * case.sizes.mean_prompt_tokens
    return Transfers(
        edges_s=edges_s,
        out=_links(cluster.prompt, prompt, out_s, tokens),
        into=_links(cluster.token, token, in_s, tokens),
        hidden_s=jnp.where(serialized, 0.0, jnp.maximum(spare_s, 0.0)),
        serialized=jnp.where(serialized, 1.0, 0.0),
    )


def _links(pool: Pool, instance: Instance, token_s: Scalar, tokens: tuple[Scalar, Scalar]) -> Links:
    mean, second = tokens
    count = jnp.maximum(pool.machines * instance.per_machine, 1e-6)
    return Links(count, token_s * mean, token_s**2 * second)
