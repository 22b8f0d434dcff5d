"""What a request costs an instance in either phase."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.prompt_service import (
    PromptService,
    few_prompts,
    packing,
    prompt_company,
    prompt_iterations,
    prompt_service,
)
from splitmodel.iteration.instance import Instance
from splitmodel.queueing.company import Company
from splitmodel.queueing.shortest_queue import Sharing
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
    prompts_s, full_s, few_s, step_s = case.times_s(
        instance,
        prompt_iterations(case),
        packed.iteration,
        few_prompts(case),
        case.decoding(most),
    )
    service = prompt_service(case, prompts_s)
    return Costs(
        service=service,
        packed_s=packed.per_prompt_s(service, full_s, case.sizes.prompt_weight),
        work=packed.work(service, full_s, case.sizes.prompt_weight),
        sharing=packed.sharing(few_s),
        company=prompt_company(case, service.cells_s, few_s[2]),
        most=most,
        decode_s=jnp.maximum(case.sizes.mean_steps * step_s / most, 1e-9),
    )
