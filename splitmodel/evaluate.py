"""One configuration in, one labelled Dataset out."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import xarray as xr

from splitmodel.cluster.metrics import Metrics, metrics
from splitmodel.compilation import quick_jit
from splitmodel.errors import InputError, check_choice
from splitmodel.interval import Metered, machines_of, metrics_interval, with_machines
from splitmodel.iteration.choose import check_stack, choose_timing
from splitmodel.iteration.estimate import check_heads, check_hosted, check_interval, unprofiled
from splitmodel.iteration.instance import FITTED_STACK, Instance, make_instance
from splitmodel.iteration.timing import Timing
from splitmodel.programs.kept_trace import kept
from splitmodel.results import dataset
from splitmodel.simulate.options import Simulation
from splitmodel.simulate.setting import Setting
from splitmodel.specs.calibrated import calibrated, chosen_calibration, origin
from splitmodel.specs.catalogue import machine as catalogue_machine
from splitmodel.specs.catalogue import transformer
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.hardware import Machine
from splitmodel.specs.leaves import as_arrays, key_of
from splitmodel.specs.semantics import Semantics, resolve_semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar

TIERS = ("analytic", "simulate")
ONLY_ANALYTIC = ("saturation_rps", "load_fraction", "bound")
"""What no run tells: results of either tier have it from the analytic one."""


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
    calibration: str | Path | None = None,
    interval: float | None = None,
    per_request: bool = False,
    timeline: bool = False,
    **simulation: Any,
) -> xr.Dataset:
    """Every metric of one cluster under one load.

    Args:
        cluster: machines, roles and policies.
        load: request sizes and arrival rate.
        model: name in the catalogue, a file (TOML or Hugging Face config.json) or a `Transformer`.
        slo: "splitwise" (the paper's nine limits), a TOML file, an `SLO` or None.
        timing: "roofline", "interpolated" or a `Timing`; by default that of the semantics.
        semantics: "physical" or "splitwise-sim".
        stack: serving stack, "splitwise-2023" or "graphs"; with a calibration its own.
        reference: machine of the slowdowns' denominator; by default that of the SLO, DGX-A100.
        tier: "analytic", or "simulate" to run every request.
        calibration: file with parameters of one's own, as `splitmodel calibrate` writes it, for
            the machines that it holds.
        interval: probability, in (0, 1), of an interval of every metric, for the uncertainty of the
            parameters alone: adds a `*_low` and a `*_high` to each. With tier="simulate" it is for
            the requests that are drawn, and several `seeds` give one of 0.9 in any case.
        per_request: with tier="simulate", whether to add every request: `request_ttft_s` and
            others over `request`, in the order of the trace.
        timeline: with tier="simulate", whether to add every iteration: `iteration_start_s` and
            others over `iteration`.
        **simulation: with tier="simulate", how requests arrive and how many runs there are, such
            as `seed=`, `seeds=`, `duration_s=`; the fields of `Simulation`.

    Returns:
        Dataset of scalars, with `percentile`, `pool`, `part` and `phase` where a variable has
        them; `status` tells whether the cluster can serve the load. Attribute `calibration` is
        "prior" where a machine or its GPU have no fit of their own.

    Raises:
        InputError: for a bad name or value, a model that does not fit a machine, a file that is no
            calibration, or an interval of a timing without fitted parameters.
    """
    check_tier(tier, simulation, per_request=per_request, timeline=timeline)
    options = Simulation(**simulation) if tier == "simulate" else None
    machines = [pool.machine for pool in cluster.pools if pool.machines > 0.0]
    parameters = chosen_calibration(calibration, machines)
    if calibration is not None:
        stack = stack or FITTED_STACK
        own = [calibrated(machine, parameters) for machine in machines_of(cluster)]
        cluster = with_machines(cluster, own)
    question = prepare(
        [cluster],
        model,
        slo,
        timing=timing,
        semantics=semantics,
        stack=stack,
        reference=reference,
        tier="analytic",
    )
    if calibration is not None:
        question = replace(question, reference=calibrated(question.reference, parameters))
    if interval is not None and options is None:
        check_interval(interval, question.timing)
    values = {"": _compiled(question, cluster, load)}
    if interval is not None and options is None:
        values["_low"], values["_high"] = metrics_interval(
            question.with_reference, cluster, load, question.reference, parameters, interval
        )
    attrs = {
        "cluster": str(cluster.label.value),
        "workload": str(load.label.value),
        "calibration": origin(machines, parameters),
        **({} if calibration is None else {"calibration_file": str(calibration)}),
        **({} if interval is None else {"interval": interval}),
        **question.provenance,
        "tier": tier,
    }
    results = {
        f"{name}{suffix}": getattr(metered, name)
        for name in Metrics.__dataclass_fields__
        for suffix, metered in values.items()
        if not (suffix and name in _CERTAIN)
    }
    if options is not None:
        details = {"interval": interval, "per_request": per_request, "timeline": timeline}
        told = _simulated(question, cluster, load, options, **details)
        results = {name: results[name] for name in ONLY_ANALYTIC} | told
    return dataset(results, attrs=attrs)


_CERTAIN = ("machines", "status", "bound", "slo_met", "cost_usd_per_hour", "power_provisioned_w")
"""Metrics of which no interval is given: counts, codes and what does not depend on any time."""


def check_tier(tier: str, given: Mapping[str, Any], **details: bool) -> None:
    """Check the name of a tier, and that options of the request-level one are known and for it.

    Raises:
        InputError: naming the tier or the option.
    """
    check_choice("tier", tier, TIERS)
    check_options(given)
    needless = [*given, *(name for name, asked in details.items() if asked)]
    if needless and tier != "simulate":
        raise InputError(f'{", ".join(needless)}: only tier="simulate" takes such an option')


def check_options(given: Iterable[str]) -> None:
    """Check that options of the request-level tier are known.

    Raises:
        InputError: naming the option.
    """
    for name in given:
        check_choice("option", name, Simulation.__dataclass_fields__)


def _simulated(
    question: Question, cluster: Cluster, load: Workload, options: Simulation, **details: Any
) -> dict[str, Any]:
    # The compiler of this tier takes a while to import, for which the other need not wait.
    from splitmodel.simulate.tier import simulated

    return simulated(question.setting(cluster), load, options, **details)


class Question(eqx.Module):
    """What stays the same over all configurations of a call, checked and resolved once."""

    model: Transformer
    slo: SLO
    timing: Timing
    reference: Machine
    semantics: Semantics = eqx.field(static=True)
    stack: str | None = eqx.field(static=True)
    percentiles: Scalar | None = None
    """As in `metrics`."""

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
            percentiles=self.percentiles,
        )

    def setting(self, cluster: Cluster) -> Setting:
        """The question about one cluster, as the request-level tier takes it."""
        return Setting(
            cluster=cluster,
            model=self.model,
            slo=self.slo,
            timing=self.timing,
            reference=self.reference,
            semantics=self.semantics,
            stack=self.stack,
        )

    @property
    def with_reference(self) -> Metered:
        """The same, with the slowdowns' reference machine as a third argument."""
        return jax.tree_util.Partial(_at_reference, self)

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


def _at_reference(
    question: Question, cluster: Cluster, load: Workload, reference: Machine
) -> Metrics:
    return replace(question, reference=reference)(cluster, load)


@quick_jit
@partial(kept, returns=Metrics)
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
    check_choice("tier", tier, TIERS[:1])
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
                    _check_machine(
                        question,
                        pool.machine,
                        tensor_parallel=pool.tensor_parallel,
                        pipeline_parallel=pool.pipeline_parallel,
                        power_cap=pool.power_cap,
                    )
                else:
                    check_heads(spec, pool.tensor_parallel)
    _check_reference(question, explicit=reference is not None)
    return question


def _instance(question: Question, machine: Machine, **parallelism: Any) -> Instance:
    server, spec = as_arrays((machine, question.model))
    return make_instance(server, spec, stack=question.stack, **as_arrays(parallelism))


_PASSED: set[Hashable] = set()
"""Questions whose machines were found to serve them: the check takes as long as a simulation."""


def _check_machine(question: Question, machine: Machine, **parallelism: Any) -> None:
    asked = (question.model, question.timing, machine, parallelism)
    key = (key_of(asked), question.semantics, question.stack)
    if key in _PASSED:
        return
    instance = _instance(question, machine, **parallelism)
    check_hosted(question.model, instance, question.semantics)
    if not np.asarray(question.timing.known(question.model, instance)).all():
        raise unprofiled(question.model, machine, parallelism["tensor_parallel"])
    _PASSED.add(key)


def _check_reference(question: Question, explicit: bool) -> None:
    """The slowdowns' denominator must exist: the model has to fit the reference machine."""
    machine = question.reference
    try:
        _check_machine(
            question, machine, tensor_parallel=machine.gpus, pipeline_parallel=1.0, power_cap=1.0
        )
    except InputError as problem:
        hint = "" if explicit else "; give another machine as reference="
        raise InputError(f"reference: {problem}{hint}") from problem
