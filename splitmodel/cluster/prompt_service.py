"""Prefill times of a workload on one instance: lone prompts, and prompts packed into batches."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.sizes import cell_moments
from splitmodel.iteration.instance import Instance
from splitmodel.roofline.batch import Batch, decode_batch, mixed_batch, prefill_batch
from splitmodel.units import Scalar


class PromptService(eqx.Module):
    """Prefill time of one prompt at the cells' edges and its moments over requests."""

    edges_s: Scalar
    """Iteration time at the prompt cells' edges [s], [cells+1]."""
    cells_s: Scalar
    """Iteration time at the cells' means [s], [cells]."""
    mean_s: Scalar
    second_s2: Scalar


def prompt_service(case: Case, instance: Instance, alongside: Scalar = 0.0) -> PromptService:
    """Iterations that carry one prompt each, alone or with `alongside` decoding requests."""
    edges, cells = case.load.prompt_edges_tokens, case.load.prompt_tokens
    tokens = jnp.concatenate([edges, cells])
    decoding = decode_batch(alongside * jnp.ones_like(tokens), case.sizes.decode_context_tokens)
    batch = mixed_batch(prefill_batch(tokens), decoding)
    times_s = case.iteration_s(batch, instance)
    edges_s, cells_s = times_s[: edges.shape[0]], times_s[edges.shape[0] :]
    mean_s, second_s2 = cell_moments(edges_s, cells_s, case.sizes.prompt_weight)
    return PromptService(edges_s, cells_s, mean_s, second_s2)


def packed_prefill_s(case: Case, service: PromptService, instance: Instance) -> Scalar:
    """Machine time per prompt where a backlog is packed FCFS into full batches [s].

    Prompts above the token limit run alone. The others fill a batch until the next one does not
    fit: by renewal theory that leaves E[p²]/(2E[p]) tokens empty on average.

    References:
        Cox, Renewal Theory (1962), section 5 (mean forward recurrence time).
    """
    tokens, sizes = case.load.prompt_tokens, case.sizes
    max_batch_tokens = case.cluster.max_batch_tokens
    short = tokens <= max_batch_tokens
    weight = jnp.where(short, sizes.prompt_weight, 0.0)
    share = jnp.maximum(jnp.sum(weight), 1e-6)
    mean_tokens = jnp.maximum(jnp.sum(weight * tokens) / share, 1.0)
    square_tokens = jnp.sum(weight * tokens**2) / share
    filled = jnp.clip(
        max_batch_tokens - 0.5 * square_tokens / mean_tokens,
        mean_tokens,
        jnp.maximum(max_batch_tokens, mean_tokens),
    )
    prompts = filled / mean_tokens
    full = Batch(
        prefill_tokens=filled,
        query_key_pairs=0.5 * prompts * square_tokens,
        prompts=prompts,
        decoding_requests=jnp.zeros_like(filled),
        context_tokens=jnp.zeros_like(filled),
    )
    packed_s = case.iteration_s(full, instance) / prompts
    alone_s = jnp.sum(jnp.where(short, 0.0, sizes.prompt_weight * service.cells_s))
    return jnp.minimum(jnp.sum(weight) * packed_s + alone_s, service.mean_s)
