"""From names and specs to a case of arrays, and to the flow of its requests."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.continuous_batching import continuous_flow
from splitmodel.cluster.flow import Flow
from splitmodel.cluster.request_batching import request_flow
from splitmodel.cluster.sizes import sizes_of
from splitmodel.cluster.splitwise import splitwise_flow
from splitmodel.iteration.choose import check_stack, choose_timing
from splitmodel.iteration.instance import Instance
from splitmodel.iteration.timing import Timing
from splitmodel.specs.catalogue import machine as catalogue_machine
from splitmodel.specs.catalogue import transformer
from splitmodel.specs.cluster import Cluster, Pool
from splitmodel.specs.hardware import Machine
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.semantics import Semantics, resolve_semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload


def make_case(
    cluster: Cluster,
    load: Workload,
    model: str | Transformer,
    *,
    slo: str | SLO | None,
    timing: str | Timing | None,
    semantics: str | Semantics,
    stack: str | None,
    reference: str | Machine,
) -> tuple[Case, Instance, SLO]:
    """Case, the instance that serves a request alone for the slowdowns, and the limits.

    Arguments as in `metrics`.
    """
    bundle = resolve_semantics(semantics)
    check_stack(stack)
    cluster, load, spec, machine, limits = as_arrays(
        (cluster, load, transformer(model), catalogue_machine(reference), SLO.resolve(slo))
    )
    case = Case(
        cluster=cluster,
        load=load,
        sizes=sizes_of(load),
        model=spec,
        timing=choose_timing(timing, bundle),
        semantics=bundle,
        stack=stack,
    )
    return case, case.instance(_whole_machine(machine)), limits


def flow_of(case: Case) -> Flow:
    """Flow of requests through the cluster, by its kind.

    A real branch, not a selection, wherever all configurations of a batch are of one kind.
    """
    if case.cluster.by_request:
        return request_flow(case)
    return jax.lax.cond(case.cluster.splits_phases > 0.0, splitwise_flow, continuous_flow, case)


def _whole_machine(machine: Machine) -> Pool:
    """One machine, uncapped, all GPUs serving one instance."""
    one = jnp.ones(())
    return Pool(
        machine, machines=one, tensor_parallel=machine.gpus, pipeline_parallel=one, power_cap=one
    )
