"""One configuration in, one labelled Dataset out."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np
import xarray as xr

from splitmodel.cluster.metrics import Metrics, metrics
from splitmodel.compilation import quick_jit
from splitmodel.errors import InputError, check_choice
from splitmodel.iteration.choose import check_stack, choose_timing
from splitmodel.iteration.estimate import check_heads, check_hosted, unprofiled
from splitmodel.iteration.instance import Instance, make_instance
from splitmodel.iteration.timing import Timing
from splitmodel.results import dataset
from splitmodel.specs.catalogue import machine as catalogue_machine
from splitmodel.specs.catalogue import transformer
from splitmodel.specs.cluster import Cluster, Pool
from splitmodel.specs.hardware import Machine
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.semantics import Semantics, resolve_semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload

TIERS = ("analytic",)


def evaluate(
    cluster: Cluster,
    load: Workload,
    *,
    model: str | Transformer,
    slo: str | SLO | None = "splitwise",
    timing: str | Timing | None = None,
    semantics: str | Semantics = "physical",
    stack: str | None = None,
    reference: str | Machine | None = None,
    tier: str = "analytic",
) -> xr.Dataset:
    """Every metric of one cluster under one load.

    Args:
        cluster: machines, roles and policies.
        load: request sizes and arrival rate.
        model: name in the catalogue, a file (TOML or Hugging Face config.json) or a `Transformer`.
        slo: "splitwise" (the paper's nine limits), a TOML file, an `SLO` or None.
        timing: "roofline", "interpolated" or a `Timing`; by default that of the semantics.
        semantics: "physical" or "splitwise-sim".
        stack: serving stack, "splitwise-2023" or "graphs".
        reference: machine of the slowdowns' denominator; by default that of the SLO, DGX-A100.
        tier: "analytic".

    Returns:
        Dataset of scalars, with `percentile`, `pool`, `part` and `phase` where a variable has
        them; `status` tells whether the cluster can serve the load.

    Raises:
        InputError: for a bad name or value, or a model that does not fit a machine.
    """
    question = prepare(
        [cluster],
        model,
        slo,
        timing=timing,
        semantics=semantics,
        stack=stack,
        reference=reference,
        tier=tier,
    )
    values = _compiled(question, cluster, load)
    return dataset(
        {name: getattr(values, name) for name in type(values).__dataclass_fields__},
        attrs={
            "cluster": str(cluster.label.value),
            "workload": str(load.label.value),
            **question.provenance,
        },
    )


class Question(eqx.Module):
    """What stays the same over all configurations of a call, checked and resolved once."""

    model: Transformer
    slo: SLO
    timing: Timing
    reference: Machine
    semantics: Semantics = eqx.field(static=True)
    stack: str | None = eqx.field(static=True)

    def __call__(self, cluster: Cluster, load: Workload) -> Metrics:
        """Metrics of one configuration, traceable."""
        return metrics(
            cluster,
            load,
            self.model,
            slo=self.slo,
            timing=self.timing,
            semantics=self.semantics,
            stack=self.stack,
            reference=self.reference,
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """What was asked, for the attributes of a result."""
        return {
            "model": str(self.model.label.value),
            "timing": type(self.timing).__name__.lower(),
            "semantics": self.semantics.name,
            "stack": self.stack or "default",
            "reference": str(self.reference.label.value),
            "tier": "analytic",
        }


@quick_jit
def _compiled(question: Question, cluster: Cluster, load: Workload) -> Metrics:
    return question(cluster, load)


def prepare(
    clusters: list[Cluster],
    model: str | Transformer,
    slo: str | SLO | None,
    *,
    timing: str | Timing | None,
    semantics: str | Semantics,
    stack: str | None,
    reference: str | Machine | None,
    tier: str,
    must_serve: bool = True,
) -> Question:
    """Check everything that can be checked before any work.

    Of `clusters` one of each kind of hardware is enough; unless they `must_serve`, a machine that
    cannot hold the model, or has no profile, is left to the status. The rest is as in `evaluate`.
    """
    check_choice("tier", tier, TIERS)
    check_stack(stack)
    bundle = resolve_semantics(semantics)
    spec, limits = transformer(model), SLO.resolve(slo)
    question = Question(
        model=spec,
        slo=limits,
        timing=choose_timing(timing, bundle),
        semantics=bundle,
        stack=stack,
        reference=catalogue_machine(reference or limits.reference.value),
    )
    for cluster in clusters:
        for pool in cluster.pools:
            if pool.machines > 0.0:
                if must_serve:
                    _check_pool(question, pool)
                else:
                    check_heads(spec, pool.tensor_parallel)
    _check_reference(question, explicit=reference is not None)
    return question


def _instance(question: Question, machine: Machine, **parallelism: Any) -> Instance:
    server, spec = as_arrays((machine, question.model))
    return make_instance(server, spec, stack=question.stack, **as_arrays(parallelism))


def _check_pool(question: Question, pool: Pool) -> None:
    instance = _instance(
        question,
        pool.machine,
        tensor_parallel=pool.tensor_parallel,
        pipeline_parallel=pool.pipeline_parallel,
        power_cap=pool.power_cap,
    )
    check_hosted(question.model, instance, question.semantics)
    if not np.asarray(question.timing.known(question.model, instance)).all():
        raise unprofiled(question.model, pool.machine, pool.tensor_parallel)


def _check_reference(question: Question, explicit: bool) -> None:
    """The slowdowns' denominator must exist: the model has to fit the reference machine."""
    reference = question.reference
    instance = _instance(
        question,
        reference,
        tensor_parallel=reference.gpus,
        pipeline_parallel=1.0,
        power_cap=1.0,
    )
    try:
        check_hosted(question.model, instance, question.semantics)
    except InputError as problem:
        hint = "" if explicit else "; give another machine as reference="
        raise InputError(f"reference: {problem}{hint}") from problem
    if not np.asarray(question.timing.known(question.model, instance)).all():
        raise unprofiled(question.model, reference, reference.gpus)
