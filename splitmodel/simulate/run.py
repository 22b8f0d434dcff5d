"""Runs of one configuration, in parallel over the cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy import ndarray

from splitmodel.errors import InputError
from splitmodel.simulate.engine import simulate
from splitmodel.simulate.options import ROUTINGS, Simulation
from splitmodel.simulate.setting import Setting
from splitmodel.simulate.state import POLICY
from splitmodel.simulate.tables import Tables, tables_of
from splitmodel.simulate.trace import Trace, trace_of
from splitmodel.simulate.transfer import SERIALIZED
from splitmodel.specs.workload import Workload

T = TypeVar("T")


class Outcome(NamedTuple):
    """One run."""

    trace: Trace
    tables: Tables
    requests: ndarray
    """Records of `state.REQUEST`, in the order of the trace."""
    servers: ndarray
    """Records of `state.SERVER`."""
    iterations: list[tuple[Any, ...]]
    """Every iteration, where they are recorded; see `engine.simulate`."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    setting: Setting,
    load: Workload,
    options: Simulation,
    summarise: Callable[[Outcome], T],
    record: bool,
) -> list[T]:
    """What `summarise` makes of each run's `Outcome`, in the order of the seeds.

    Raises:
        InputError: for a request that can never fit, or options that contradict the workload.
    """

    def one(run: int) -> T:
        trace = trace_of(load, options, run)
        tables = tables_of(setting, trace)
        return summarise(run_once(setting, tables, trace, options.routing, record))

    if options.seeds == 1:
        return [one(0)]
    with ThreadPoolExecutor(max_workers=min(cores(), options.seeds)) as pool:
        return list(pool.map(one, range(options.seeds)))


def run_once(setting: Setting, tables: Tables, trace: Trace, routing: str, record: bool) -> Outcome:
    """One run over a trace; `record` keeps its iterations.

    Raises:
        InputError: for a request that can never fit, or a number of machines that is not whole.
    """
    cluster = setting.cluster
    _check_fits(trace, tables)
    counts = [
        _whole("machines", pool.machines) * round(per_machine)
        for (_, pool), per_machine in zip(setting.pools, tables.servers, strict=True)
    ]
    kind = np.repeat(np.arange(len(counts)), counts)
    pool = np.repeat([place for place, _ in setting.pools], counts)
    batches = [round(float(pool.pipeline_parallel)) for _, pool in setting.pools]
    instances = np.floor_divide(counts, batches)
    port = np.repeat(np.arange(instances.sum()), np.repeat(batches, instances))
    policy = np.zeros((), POLICY)
    policy["kv_bytes_per_token"] = tables.kv_bytes_per_token
    policy["max_batch_tokens"] = int(cluster.max_batch_tokens)
    policy["max_batch_size"] = int(cluster.max_batch_size)
    policy["max_pending_tokens"] = float(cluster.max_pending_tokens)
    policy["batching"] = int(cluster.batching)
    policy["routing"] = ROUTINGS.index(routing)
    overlaps = setting.semantics.overlap
    policy["kv_transfer"] = int(cluster.kv_transfer) if overlaps else SERIALIZED
    policy["shares_links"] = setting.semantics.transfer_bytes_per_s is None
    policy["splits_phases"] = cluster.splits_phases > 0
    policy["mixed_pool"] = cluster.mixed_pool > 0
    policy["output_with_prompt"] = setting.semantics.output_with_prompt
    policy["record"] = record
    requests, servers, iterations = simulate(
        policy[()],
        tables.times,
        tables.links,
        (trace.arrival_s, trace.prompt_tokens, trace.output_tokens),
        kind,
        port,
        pool,
        tables.capacity_bytes[kind],
    )
    return Outcome(trace, tables, requests, servers, iterations)


def _whole(field: str, value: Any) -> int:
    if float(value) != round(float(value)):
        raise InputError(f"{field}: {float(value):g} is not whole, and a simulation needs it to be")
    return round(float(value))


def _check_fits(trace: Trace, tables: Tables) -> None:
    """Every server must be able to hold every request, whose tokens never outnumber those."""
    tokens = trace.prompt_tokens + trace.output_tokens
    fits = np.floor(tables.capacity_bytes.min() / tables.kv_bytes_per_token)
    too_large = np.flatnonzero(tokens > fits)
    if too_large.size:
        row = int(too_large[0])
        raise InputError(
            f"prompt_tokens, output_tokens: the request in row {row + 1} needs "
            f"{tokens[row]} tokens of KV cache, and {fits:.0f} fit; use more GPUs "
            "(tensor_parallel) or a larger machine"
        )
