"""Prefill times of a workload on one instance: lone prompts, and prompts packed into batches."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.sizes import cell_moments
from splitmodel.queueing.company import Company, company
from splitmodel.queueing.shortest_queue import Lengths, Sharing, lengths
from splitmodel.roofline.batch import Batch, decode_batch, mixed_batch, prefill_batch
from splitmodel.units import Scalar


class PromptService(eqx.Module):
    """Prefill time of one prompt at the cells' edges and its moments over requests."""

    edges_s: Scalar
    """Iteration time at the prompt cells' edges [s], [cells+1]."""
    cells_s: Scalar
    """Mean iteration time over each cell [s], [cells]."""
    mean_s: Scalar
    second_s2: Scalar

    def lengths(self, weight: Scalar) -> Lengths:
        """Lengths of service in a queue of prompts of which each cell has some, [cells]."""
        mean_s, second_s2 = cell_moments(self.edges_s, self.cells_s, weight / jnp.sum(weight))
        return lengths(mean_s, second_s2, self.edges_s, weight)


def prompt_iterations(case: Case, alongside: Scalar = 0.0) -> Batch:
    """Iterations that carry one prompt each, alone or with `alongside` decoding requests.

    Leaves have the prompts at the cells' edges first, then those halfway from each cell's mean to
    its lower edge, then those halfway to its upper one.
    """
    edges, means = case.load.prompt_edges_tokens, case.load.prompt_tokens
    halfway = [0.5 * (means + ends) for ends in (edges[:-1], edges[1:])]
    tokens = jnp.concatenate([edges, *halfway])
    decoding = decode_batch(alongside * jnp.ones_like(tokens), case.sizes.decode_context_tokens)
    return mixed_batch(prefill_batch(tokens), decoding)


def prompt_service(case: Case, times_s: Scalar) -> PromptService:
    """Moments of the times that the `prompt_iterations` take [s]."""
    edges, means = case.load.prompt_edges_tokens, case.load.prompt_tokens
    count = means.shape[0]
    edges_s, low_s, high_s = jnp.split(times_s, [count + 1, 2 * count + 1])
    place = (means - edges[:-1]) / jnp.maximum(edges[1:] - edges[:-1], 1e-6)
    place = jnp.clip(place, 0.0, 1.0)
    # Both rules are exact where time is linear; together they are Simpson's where prompts are even
    # over the cell, and time may jump where messages become large.
    inside_s = (1.0 - place) * low_s + place * high_s
    chord_s = (1.0 - place) * edges_s[:-1] + place * edges_s[1:]
    cells_s = (8.0 * inside_s + chord_s) / 9.0
    mean_s, second_s2 = cell_moments(edges_s, cells_s, case.sizes.prompt_weight)
    return PromptService(edges_s, cells_s, mean_s, second_s2)


class Packing(eqx.Module):
    """A full batch as a backlog fills it first come, first served."""

    iteration: Batch
    short: Scalar
    """Probability of each prompt cell whose prompts share a batch, [cells]; longer ones run
    alone."""
    tokens: Scalar
    """Size of the prompts in each cell, [cells]."""

    def sharing(self, times_s: Scalar) -> Sharing:
        """What prompts save in batches, if `few_prompts` take these times [s], [3]."""
        pair = jnp.minimum(0.5 * times_s[1] / times_s[0], 1.0)
        return Sharing(pair, self.iteration.prompts)

    def work(self, service: PromptService, full_s: Scalar, weight: Scalar) -> Scalar:
        """Share of each prompt cell in a backlog, if a full batch takes `full_s`, [cells].

        In a batch, tokens count; a prompt that runs alone takes the time that it takes.
        """
        tokens_s = self.tokens * full_s / self.iteration.prefill_tokens
        work_s = self.short * tokens_s + (weight - self.short) * service.cells_s
        return work_s / jnp.sum(work_s)

    def per_prompt_s(self, service: PromptService, full_s: Scalar, weight: Scalar) -> Scalar:
        """Server time per prompt [s], if a full batch takes `full_s`."""
        alone_s = jnp.sum((weight - self.short) * service.cells_s)
        together_s = jnp.sum(self.short) * full_s / self.iteration.prompts
        return jnp.minimum(together_s + alone_s, service.mean_s)


def prompt_company(case: Case, cells_s: Scalar, fixed_s: Scalar) -> Company:
    """What prompts that come later add to a batch.

    Args:
        case: the question.
        cells_s: iteration of one prompt, mean over each cell [s], [cells].
        fixed_s: that of a single token [s].
    """
    load, most = case.load, case.cluster.max_batch_tokens
    return company(case.sizes.prompt_weight, load.prompt_tokens, most, cells_s, fixed_s)


def few_prompts(case: Case) -> Batch:
    """Iterations of one and of two prompts of mean size, and of a single token, [3]."""
    mean_tokens = case.sizes.mean_prompt_tokens
    tokens = jnp.stack([mean_tokens, mean_tokens, jnp.ones_like(mean_tokens)])
    return prefill_batch(tokens, jnp.asarray([1.0, 2.0, 1.0], dtype=float))


def packing(case: Case) -> Packing:
    """How the prompts of a backlog pack.

    Prompts above the token limit run alone. The others fill a batch until the next one does not
    fit: by renewal theory that leaves E[p²]/(2E[p]) tokens empty on average.

    References:
        Cox, Renewal Theory (1962), section 5 (mean forward recurrence time).
    """
    tokens, limit = case.load.prompt_tokens, case.cluster.max_batch_tokens
    short = jnp.where(tokens <= limit, case.sizes.prompt_weight, 0.0)
    share = jnp.maximum(jnp.sum(short), 1e-6)
    mean_tokens = jnp.maximum(jnp.sum(short * tokens) / share, 1.0)
    square_tokens = jnp.sum(short * tokens**2) / share
    empty = 0.5 * square_tokens / mean_tokens
    filled = jnp.clip(limit - empty, mean_tokens, jnp.maximum(limit, mean_tokens))
    prompts = filled / mean_tokens
    none = jnp.zeros_like(filled)
    full = Batch(filled, 0.5 * prompts * square_tokens, prompts, none, none)
    return Packing(full, short, tokens)
