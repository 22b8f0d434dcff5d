"""Iterations with a prompt on a machine that also decodes, and how they hold up the decodes."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.cluster.case import Case
from splitmodel.cluster.prompt_service import PromptService, prompt_iterations, prompt_service
from splitmodel.cluster.sizes import cell_moments
from splitmodel.iteration.instance import Instance
from splitmodel.units import Flag, Scalar

_TABULATED = np.linspace(0.0, 1.0, 9)
"""Decodes, from one to the most in logarithms, between which prefill is taken as linear."""


class Interruptions(eqx.Module):
    """Prefill next to a decode batch, tabulated over its size."""

    lone: PromptService
    company: Scalar
    """Decodes, ascending from one to the largest batch, [companies]."""
    edges_s: Scalar
    """Iteration time next to them at the prompt cells' edges [s], [companies, cells+1]."""
    cells_s: Scalar
    """Its mean over each prompt cell [s], [companies, cells]."""
    rides_edges: Scalar
    """1 at the prompt cells' edges where decodes ride along, [cells+1]."""
    rides_cells: Scalar
    """1 in the prompt cells where decodes ride along, [cells]."""
    prompt_weight: Scalar

    @jax.jit
    def prefill_s(self, batch: Scalar) -> tuple[Scalar, Scalar]:
        """Iteration time of each prompt next to `batch` decodes [s], at edges and in cells.

        With chance e^(−batch) nobody decodes and the prompt runs alone.
        """
        # Weights of the tabulated numbers on both sides.
        low, high = self.company[:-1], self.company[1:]
        passed = jnp.clip((batch - low) / (high - low), 0.0, 1.0)
        one = jnp.ones_like(passed[:1])
        weight = jnp.concatenate([one, passed]) - jnp.concatenate([passed, 0.0 * one])
        some = -jnp.expm1(-batch)

        def mix(lone: Scalar, table: Scalar, rides: Scalar) -> Scalar:
            return lone + some * rides * (jnp.dot(weight, table) - lone)

        return (
            mix(self.lone.edges_s, self.edges_s, self.rides_edges),
            mix(self.lone.cells_s, self.cells_s, self.rides_cells),
        )

    def prefill_moments(self, batch: Scalar) -> tuple[Scalar, Scalar]:
        """Mean [s] and second moment [s²] of that over prompts."""
        return cell_moments(*self.prefill_s(batch), self.prompt_weight)[:2]

    def interruption_moments(self, batch: Scalar, step_s: Scalar) -> tuple[Scalar, Scalar, Scalar]:
        """Mean [s], second [s²] and third moment [s³] of what a prompt delays every decode by.

        A decode that rides along gets its token meanwhile.
        """
        edges_s, cells_s = self.prefill_s(batch)
        return cell_moments(
            edges_s - self.rides_edges * step_s,
            cells_s - self.rides_cells * step_s,
            self.prompt_weight,
        )


def interruptions(case: Case, instance: Instance, most: Scalar, mixes: Flag) -> Interruptions:
    """Tabulates the iterations of a workload's prompts.

    Args:
        case: the question.
        instance: where they run.
        most: largest decode batch.
        mixes: whether decodes ride along, unless the prompt alone exceeds the token limit.
    """

    def rides(tokens: Scalar) -> Scalar:
        fits = tokens + 1.0 <= case.cluster.max_batch_tokens
        return jnp.where(mixes & fits, 1.0, 0.0)

    company = jnp.exp(jnp.asarray(_TABULATED, dtype=float) * jnp.log(jnp.maximum(most, 1.1)))
    decodes = jnp.concatenate([jnp.zeros_like(company[:1]), company])
    iterations = jax.vmap(lambda each: prompt_iterations(case, each))(decodes)
    times_s = case.iteration_s(iterations, instance)
    tabulated = jax.vmap(lambda each: prompt_service(case, each))(times_s)
    lone, near = (jax.tree.map(lambda leaf, k=k: leaf[k], tabulated) for k in (0, np.s_[1:]))
    return Interruptions(
        lone=lone,
        company=company,
        edges_s=near.edges_s,
        cells_s=near.cells_s,
        rides_edges=rides(case.load.prompt_edges_tokens),
        rides_cells=rides(case.load.prompt_tokens),
        prompt_weight=case.sizes.prompt_weight,
    )
