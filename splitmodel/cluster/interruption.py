"""Iterations with a prompt on a machine that also decodes, and how they hold up the decodes."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.prompt_service import PromptService, prompt_iterations, prompt_service
from splitmodel.cluster.sizes import cell_moments
from splitmodel.iteration.instance import Instance
from splitmodel.units import Flag, Scalar


class Interruptions(eqx.Module):
    """Prefill next to a decode batch, tabulated at no, one and the most decodes."""

    lone: PromptService
    with_one: PromptService
    with_most: PromptService
    most: Scalar
    """Largest decode batch."""
    rides_edges: Scalar
    """1 at the prompt cells' edges where decodes ride along, [cells+1]."""
    rides_cells: Scalar
    """1 in the prompt cells where decodes ride along, [cells]."""
    prompt_weight: Scalar

    def prefill_s(self, batch: Scalar) -> tuple[Scalar, Scalar]:
        """Iteration time of each prompt next to `batch` decodes [s], at edges and in cells.

        With chance e^(−batch) nobody decodes and the prompt runs alone.
        """
        share = jnp.clip((batch - 1.0) / jnp.maximum(self.most - 1.0, 1e-3), 0.0, 1.0)
        company = -jnp.expm1(-batch)

        def mix(lone: Scalar, one: Scalar, most: Scalar, rides: Scalar) -> Scalar:
            return lone + company * rides * (one + share * (most - one) - lone)

        return (
            mix(self.lone.edges_s, self.with_one.edges_s, self.with_most.edges_s, self.rides_edges),
            mix(self.lone.cells_s, self.with_one.cells_s, self.with_most.cells_s, self.rides_cells),
        )

    def prefill_moments(self, batch: Scalar) -> tuple[Scalar, Scalar]:
        """Mean [s] and second moment [s²] of that over prompts."""
        return cell_moments(*self.prefill_s(batch), self.prompt_weight)

    def interruption_moments(self, batch: Scalar, step_s: Scalar) -> tuple[Scalar, Scalar]:
        """Mean [s] and second moment [s²] of the time by which a prompt delays every decode.

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

    company = (jnp.zeros_like(most), jnp.ones_like(most), most)
    times_s = case.times_s(instance, *(prompt_iterations(case, decodes) for decodes in company))
    lone, with_one, with_most = (prompt_service(case, each) for each in times_s)
    return Interruptions(
        lone=lone,
        with_one=with_one,
        with_most=with_most,
        most=most,
        rides_edges=rides(case.load.prompt_edges_tokens),
        rides_cells=rides(case.load.prompt_tokens),
        prompt_weight=case.sizes.prompt_weight,
    )
