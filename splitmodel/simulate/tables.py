"""Everything that a run looks up, computed once per configuration of the hardware."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from numpy import ndarray

from splitmodel.iteration.choose import lone_requests
from splitmodel.iteration.memory import kv_bytes_per_token, kv_capacity_bytes
from splitmodel.iteration.transfer import layerwise_lag_s, token_link_s
from splitmodel.simulate.lookup import Times
from splitmodel.simulate.setting import Setting
from splitmodel.simulate.tabulate import Limits, iteration_times_s, prompt_batch, tabulate
from splitmodel.simulate.trace import Trace
from splitmodel.simulate.transfer import Links
from splitmodel.specs.leaves import key_of

KEPT = 64
"""Tables that are kept for further runs."""


class Tables(NamedTuple):
    """Tables of one configuration; kinds are its pools with machines."""

    times: Times
    links: Links
    prefill_alone_s: ndarray
    """Prefill of a prompt alone on the reference machine [s], [tokens + 1]."""
    step_alone_s: ndarray
    """Its decode step there [s], [tokens + 1]."""
    kv_bytes_per_token: float
    capacity_bytes: ndarray
    """KV memory of each server [bytes], [kinds]."""
    servers: ndarray
    """Servers on each machine, [kinds]."""


_kept: OrderedDict[Any, Tables] = OrderedDict()
_lock = Lock()


def tables_of(setting: Setting, trace: Trace) -> Tables:
    """Tables for a trace; equal configurations and like traces share them."""
    prompt = int(trace.prompt_tokens.max())
    request = int((trace.prompt_tokens + trace.output_tokens).max())
    cluster = setting.cluster
    batch_tokens = int(cluster.max_batch_tokens)
    slots = min(int(cluster.max_batch_size), _rounded(len(trace.arrival_s)))
    limits = Limits(
        rows=max(_rounded(prompt), batch_tokens),
        decodes=slots,
        prompts=min(slots, batch_tokens),
        context_tokens=_rounded(request),
    )
    # Limits and counts of machines change no time.
    asked = (setting.pools, cluster.kv_transfer, setting.model, setting.timing, setting.reference)
    counted = eqx.tree_at(
        lambda asked: [pool.machines for _, pool in asked[0]], asked, [0.0] * len(setting.pools)
    )
    key = (key_of(counted), setting.semantics, setting.stack, limits)
    with _lock:
        if key not in _kept:
            _kept[key] = _make(setting, limits)
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return _kept[key]


def _rounded(tokens: int) -> int:
    """The next power of two, so that traces of like sizes share tables."""
    return 1 << (tokens - 1).bit_length()


def _make(setting: Setting, limits: Limits) -> Tables:
    sizes = np.arange(limits.rows + 1.0)
    with jax.enable_x64(True):
        exact = setting.as_arrays()
        instances = [exact.instance(pool) for _, pool in exact.pools]
        alone = exact.alone()
        capacity_bytes = [
            kv_capacity_bytes(each, exact.model, setting.semantics) / each.pipeline_parallel
            for each in instances
        ]
        servers = [each.per_machine * each.pipeline_parallel for each in instances]
        token_bytes = float(kv_bytes_per_token(exact.model, setting.semantics))
        moved = exact.model, setting.semantics, exact.cluster.kv_transfer
        links = Links(
            token_s=np.array([token_link_s(each, *moved) for each in instances]),
            lag_s=np.array(
                [
                    [layerwise_lag_s(sender, receiver, setting.semantics) for receiver in instances]
                    for sender in instances
                ]
            ),
        )

    def seconds(**sums: Any) -> ndarray:
        return iteration_times_s(setting.timing, setting.model, alone, **sums)

    together = lone_requests(setting.timing, setting.semantics, sizes)
    return Tables(
        times=tabulate(setting.timing, setting.model, instances, limits),
        links=links,
        prefill_alone_s=seconds(**prompt_batch(np.maximum(sizes, 1.0))),
        step_alone_s=seconds(
            prefill_tokens=0.0,
            query_key_pairs=0.0,
            prompts=0.0,
            decoding_requests=np.maximum(together, 1.0),
            context_tokens=together * sizes,
        ),
        kv_bytes_per_token=token_bytes,
        capacity_bytes=np.array(capacity_bytes, dtype=np.float64),
        servers=np.array(servers, dtype=np.float64),
    )
