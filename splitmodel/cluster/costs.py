"""What a request costs an instance in either phase."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.prompt_service import (
    PromptService,
    packing,
    prompt_company,
    prompt_iterations,
    prompt_pairs,
    prompt_service,
)
from splitmodel.iteration.instance import Instance
from splitmodel.queueing.company import Company
from splitmodel.queueing.shortest_queue import Sharing
from splitmodel.roofline.batch import prefill_batch
from splitmodel.units import Scalar


class Costs(eqx.Module):
    """Both phases on one kind of instance; leaves gain an axis under `vmap`."""

    service: PromptService
    packed_s: Scalar
    """Server time per prompt out of a backlog, packed into full batches [s]."""
    work: Scalar
    """Share of each prompt cell in a backlog, [cells]."""
    sharing: Sharing
    """What prompts save in batches."""
    company: Company
    """What prompts that come later add to a batch."""
    most: Scalar
    """Requests that fit one decode batch."""
    decode_s: Scalar
    """Server time of a request's decode steps at best, in a full batch [s]."""


def costs(case: Case, instance: Instance) -> Costs:
    """Costs of a case's requests on an instance."""
    most = case.batch_limit(instance)
    packed = packing(case)
    prompts_s, full_s, pairs_s, token_s, step_s = case.times_s(
        instance,
        prompt_iterations(case),
        packed.iterations,
        prompt_pairs(case),
        prefill_batch(1.0),
        case.decoding(most),
    )
    service = prompt_service(case, prompts_s)
    cells_s = packed.cells_s(case, service, full_s)
    packed_s = jnp.sum(cells_s)
    return Costs(
        service=service,
        packed_s=packed_s,
        work=cells_s / packed_s,
        sharing=packed.sharing(case, service, pairs_s),
        company=prompt_company(case, service.cells_s, token_s),
        most=most,
        decode_s=jnp.maximum(case.sizes.mean_steps * step_s / most, 1e-9),
    )
