"""What a run shows: the variables of the nomenclature."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc
from jaxtyping import Float
from numpy import ndarray

from splitmodel.codes import Status
from splitmodel.compilation import quick_jit
from splitmodel.economics import Economics, Use, economics, mean_power_w
from splitmodel.simulate.run import Outcome
from splitmodel.simulate.setting import Setting
from splitmodel.specs.cluster import POOLS
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.slo import METRICS
from splitmodel.units import Scalar
from splitmodel.variables import PERCENTILES

OVERLOAD = 0.05
"""Share of all requests that, when the last one comes, may still wait for their prefill; a queue
that grows without end passes it as soon as the rate is 5% above the saturation rate."""


class Latencies(NamedTuple):
    """The six metrics of every request that counts, inf where it never ended."""

    ttft_s: Float[ndarray, " requests"]
    tbt_s: Float[ndarray, " requests"]
    e2e_s: Float[ndarray, " requests"]
    ttft_slowdown: Float[ndarray, " requests"]
    tbt_slowdown: Float[ndarray, " requests"]
    e2e_slowdown: Float[ndarray, " requests"]


def latencies(setting: Setting, outcome: Outcome) -> Latencies:
    """Latencies of every request; TBT is NaN where there is one token only.

    References:
        Patel et al., Splitwise, ISCA 2024, Table II (metrics) and Table VI (slowdowns).
    """
    requests, tables = outcome.requests, outcome.tables
    prompts, outputs = requests["prompt_tokens"], requests["output_tokens"]
    ttft_s = requests["prefill_end_s"] - requests["arrival_s"]
    e2e_s = requests["end_s"] - requests["arrival_s"]
    # Not from the difference of the two, which may both be inf.
    decode_s = requests["end_s"] - np.where(outputs > 1, requests["prefill_end_s"], 0.0)
    steps = outputs if setting.semantics.tbt_over_all_tokens else outputs - 1
    tbt_s = np.where(outputs > 1, decode_s / np.maximum(steps, 1), np.nan)
    prefill_alone_s, step_alone_s = tables.prefill_alone_s[prompts], tables.step_alone_s[prompts]
    return Latencies(
        ttft_s=ttft_s,
        tbt_s=tbt_s,
        e2e_s=e2e_s,
        ttft_slowdown=ttft_s / prefill_alone_s,
        tbt_slowdown=tbt_s / step_alone_s,
        e2e_slowdown=e2e_s / (prefill_alone_s + (outputs - 1) * step_alone_s),
    )


def summary(setting: Setting, outcome: Outcome) -> dict[str, Any]:
    """Variables of the nomenclature by name, as far as one run tells them."""
    counted = outcome.trace.counted
    every = latencies(setting, outcome)
    kept = Latencies(*(values[counted] for values in every))
    percentiles = {name: percentiles_of(getattr(kept, name)) for name in METRICS}
    requests = outcome.requests[counted]
    status = status_of(outcome)
    wait_s = requests["prefill_start_s"] - requests["arrival_s"]
    makespan_s = outcome.requests["end_s"].max() - outcome.requests["arrival_s"][0]
    done = len(outcome.requests) / makespan_s
    span_s = outcome.requests["arrival_s"][-1] - outcome.requests["arrival_s"][0]
    came = (len(outcome.requests) - 1) / span_s if span_s > 0.0 else done
    throughput_rps = came if status is Status.OK else done
    attainment = _attainment(setting, kept)
    use = _use(outcome, makespan_s)
    spent = jax.tree.map(
        float,
        _spent(setting, use, throughput_rps, _mean(requests["output_tokens"])),
    )
    met = status is Status.OK and all(
        (percentiles[name] < np.asarray(getattr(setting.slo, name))).all() for name in METRICS
    )
    return {
        **percentiles,
        "ttft_parts_s": np.array([_mean(wait_s), _mean(kept.ttft_s - wait_s)]),
        "kv_transfer_s": _mean(requests["transfer_s"]),
        "throughput_rps": throughput_rps,
        "utilisation": np.asarray(use.busy),
        **{name: getattr(spent, name) for name in Economics.__dataclass_fields__},
        "machines": float(setting.cluster.machines),
        "slo_attainment": attainment,
        "goodput_rps": attainment * throughput_rps,
        "slo_met": float(met),
        "status": float(status),
    }


def percentiles_of(values: Float[ndarray, " requests"]) -> Float[ndarray, " percentiles"]:
    """Percentiles over requests that have a value; linear between order statistics."""
    known = values[~np.isnan(values)]
    if not known.size:
        return np.full(len(PERCENTILES), np.nan)
    with np.errstate(invalid="ignore"):
        found = np.percentile(known, PERCENTILES)
    # Between a finite value and inf numpy's interpolation is undefined.
    return np.where(np.isnan(found), np.inf, found)


def _mean(values: ndarray) -> float:
    return float(values.mean())


def status_of(outcome: Outcome) -> Status:
    """Unstable where a request never ends, or too many still wait when the last one comes."""
    requests = outcome.requests
    if not np.isfinite(requests["end_s"]).all():
        return Status.UNSTABLE
    waiting = np.count_nonzero(requests["prefill_start_s"] > requests["arrival_s"][-1])
    # A few requests at each server are no backlog, however short the trace.
    return (
        Status.UNSTABLE
        if waiting > max(OVERLOAD * len(requests), 4 * len(outcome.servers))
        else Status.OK
    )


def _attainment(setting: Setting, kept: Latencies) -> float:
    """Share of requests within the loosest limit of every metric."""
    within = np.ones(len(kept.ttft_s), dtype=bool)
    for name in METRICS:
        limits = np.asarray(getattr(setting.slo, name))
        limited = np.isfinite(limits)
        if limited.any():
            within &= ~(getattr(kept, name) >= limits[limited].max())
    return _mean(within)


def _use(outcome: Outcome, makespan_s: float) -> Use:
    """What the servers did from the first arrival to the end of the last request."""
    requests, servers = outcome.requests, outcome.servers

    def by_pool(values: ndarray) -> Float[ndarray, " pools"]:
        return np.bincount(servers["home"], weights=values, minlength=len(POOLS))

    prefill_s, decode_s = by_pool(servers["prefill_s"]), by_pool(servers["decode_s"])
    busy_s = prefill_s + decode_s
    count = by_pool(np.ones(len(servers)))
    steps = np.maximum(requests["output_tokens"] - 1, 1e-6)
    contexts = requests["prompt_tokens"] + 0.5 * requests["output_tokens"]
    return Use(
        prompt_tokens=_mean(requests["prompt_tokens"]),
        context_tokens=float((steps * contexts).sum() / steps.sum()),
        batch=by_pool(servers["decodes_times_s"]) / np.maximum(busy_s, 1e-20),
        busy=busy_s / np.maximum(count * makespan_s, 1e-20),
        prefilling=prefill_s / np.maximum(busy_s, 1e-20),
    )


@quick_jit
def _spent(setting: Setting, use: Use, throughput_rps: Scalar, output_tokens: Scalar) -> Economics:
    setting, use = setting.as_arrays(), as_arrays(use)
    power_w = mean_power_w(
        setting.cluster,
        setting.model,
        use,
        setting.instance,
        lambda batch, instance: setting.timing.iteration_s(batch, setting.model, instance),
    )
    return economics(setting.cluster, power_w, throughput_rps, output_tokens)


def combined(runs: list[dict[str, Any]], interval: float | None) -> dict[str, Any]:
    """Means over runs, and with several both ends of the interval of each mean.

    The gravest status stands for all, and the limits are met where their every run meets them.
    """
    columns = {name: np.array([run[name] for run in runs], dtype=np.float64) for name in runs[0]}
    values = {name: column.mean(axis=0) for name, column in columns.items()}
    values["status"] = columns["status"].max()
    values["slo_met"] = columns["slo_met"].min()
    if interval is None:
        return values
    for name in METRICS:
        half = half_width(columns[name], interval)
        values[f"{name}_low"] = values[name] - half
        values[f"{name}_high"] = values[name] + half
    return values


def half_width(values: ndarray, interval: float) -> ndarray:
    """Half the confidence interval of the mean over runs, the first axis of `values`."""
    runs = len(values)
    factor = _student_t(0.5 + 0.5 * interval, runs - 1) / np.sqrt(runs)
    return factor * values.std(axis=0, ddof=1)


def _student_t(probability: float, freedom: int) -> float:
    """Quantile of Student's t distribution above its median."""
    low, high = 0.0, 1e4
    for _ in range(60):
        middle = 0.5 * (low + high)
        tail = 0.5 * betainc(0.5 * freedom, 0.5, freedom / (freedom + jnp.square(middle)))
        if 1.0 - tail < probability:
            low = middle
        else:
            high = middle
    return high
