"""Prefill times of a workload on one instance: lone prompts, and prompts packed into batches."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.sizes import cell_moments
from splitmodel.queueing.company import Company, company
from splitmodel.queueing.full_batches import FullBatches, full_batches
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
        mean_s, second_s2, _ = cell_moments(self.edges_s, self.cells_s, weight / jnp.sum(weight))
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
    mean_s, second_s2, _ = cell_moments(edges_s, cells_s, case.sizes.prompt_weight)
    return PromptService(edges_s, cells_s, mean_s, second_s2)


class Packing(eqx.Module):
    """Full batches as a backlog fills them first come, first served."""

    iterations: Batch
    """One of each fill, [places]."""
    batches: FullBatches

    def sharing(self, case: Case, service: PromptService, pairs_s: Scalar) -> Sharing:
        """What prompts save in batches, if `prompt_pairs` take these times [s], [cells, cells].

        Two that exceed the token limit together run one after the other.
        """
        edges, weight = case.load.prompt_edges_tokens, case.sizes.prompt_weight
        least, most = (_each_two(ends) for ends in (edges[:-1], edges[1:]))
        limit = case.cluster.max_batch_tokens
        fits = jnp.clip((limit - least) / jnp.maximum(most - least, 1e-6), 0.0, 1.0)
        apart_s = _each_two(service.cells_s)
        both_s = apart_s - fits * jnp.maximum(apart_s - pairs_s, 0.0)
        pair_s = jnp.dot(weight, jnp.dot(both_s, weight))
        return Sharing(0.5 * pair_s / service.mean_s, self.batches.customers)

    def cells_s(self, case: Case, service: PromptService, full_s: Scalar) -> Scalar:
        """Server time per prompt of each cell times its share, if `iterations` take `full_s` [s].

        In a batch, tokens count; a prompt beyond the limit takes the time that it takes. Shape
        [cells]; the sum is the server time per prompt, at most that of prompts alone.
        """
        load, weight, batches = case.load, case.sizes.prompt_weight, self.batches
        token_s = jnp.sum(batches.closes * full_s)
        token_s = token_s / jnp.maximum(jnp.sum(weight * batches.inside_size), 1e-6)
        # Inside a cell, time is linear.
        spans = jnp.diff(load.prompt_edges_tokens), jnp.diff(service.edges_s)
        slope_s = spans[1] / jnp.maximum(spans[0], 1e-6)
        smaller = batches.inside_size - load.prompt_tokens * batches.inside
        apart_s = service.cells_s * (1.0 - batches.inside) - slope_s * smaller
        packed_s = weight * (token_s * batches.inside_size + jnp.maximum(apart_s, 0.0))
        return packed_s * jnp.minimum(service.mean_s / jnp.sum(packed_s), 1.0)


def prompt_company(case: Case, cells_s: Scalar, fixed_s: Scalar) -> Company:
    """What prompts that come later add to a batch.

    Args:
        case: the question.
        cells_s: iteration of one prompt, mean over each cell [s], [cells].
        fixed_s: that of a single token [s].
    """
    load, most = case.load, case.cluster.max_batch_tokens
    return company(case.sizes.prompt_weight, load.prompt_tokens, most, cells_s, fixed_s)


def prompt_pairs(case: Case) -> Batch:
    """Iterations of two prompts, of any two cells, [cells, cells]."""
    tokens = case.load.prompt_tokens
    both = _each_two(tokens)
    zero = jnp.zeros_like(both)
    return Batch(both, 0.5 * _each_two(tokens**2), 2.0 + zero, zero, zero)


def packing(case: Case) -> Packing:
    """How the prompts of a backlog pack."""
    load, weight = case.load, case.sizes.prompt_weight
    batches = full_batches(
        load.prompt_edges_tokens, load.prompt_tokens, weight, case.cluster.max_batch_tokens
    )
    inside = jnp.maximum(jnp.dot(weight, batches.inside), 1e-6)
    mean_tokens = jnp.maximum(jnp.dot(weight, batches.inside_size) / inside, 1.0)
    square_tokens = jnp.dot(weight, batches.inside * load.prompt_tokens**2) / inside
    prompts = batches.fill / mean_tokens
    none = jnp.zeros_like(prompts)
    pairs = 0.5 * prompts * square_tokens
    iterations = Batch(batches.fill, pairs, jnp.maximum(prompts, 1.0), none, none)
    return Packing(iterations, batches)


def _each_two(values: Scalar) -> Scalar:
    """Sums of any two of several values, [values, values]."""
    return values[:, None] + values[None, :]
