"""The request-level tier as `evaluate` calls it: a configuration and a load in, variables out."""

from __future__ import annotations

from typing import Any

import numpy as np

from splitmodel.simulate.options import INTERVAL, Simulation
from splitmodel.simulate.run import Outcome, run_all
from splitmodel.simulate.setting import Setting
from splitmodel.simulate.summary import combined, latencies, summary
from splitmodel.specs.workload import Workload


def simulated(setting: Setting, load: Workload, options: Simulation) -> dict[str, Any]:
    """Variables of the nomenclature by name; those that no run tells are not among them.

    Raises:
        InputError: for a request that can never fit, or options that contradict the workload.
    """

    def summarise(outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
        details = _requests(setting, outcome) if options.per_request else {}
        return summary(setting, outcome), details | _iterations(outcome, options)

    runs = run_all(setting, load, options, summarise)
    interval = options.interval or (INTERVAL if options.seeds > 1 else None)
    return combined([values for values, _ in runs], interval) | runs[0][1]


def _requests(setting: Setting, outcome: Outcome) -> dict[str, Any]:
    """Every request in the order of arrival, those that do not count included."""
    requests, every = outcome.requests, latencies(setting, outcome)
    return {
        "request_arrival_s": requests["arrival_s"],
        "request_prompt_tokens": requests["prompt_tokens"],
        "request_output_tokens": requests["output_tokens"],
        "request_queue_s": requests["prefill_start_s"] - requests["arrival_s"],
        "request_ttft_s": every.ttft_s,
        "request_tbt_s": every.tbt_s,
        "request_e2e_s": every.e2e_s,
    }


def _iterations(outcome: Outcome, options: Simulation) -> dict[str, Any]:
    """Every iteration of every server, or run of decode steps, in the order of their ends."""
    if not options.timeline:
        return {}
    columns = list(zip(*outcome.iterations, strict=True)) or [()] * 7
    names = ("server", "start_s", "end_s", "prompts", "decodes", "tokens", "kv_bytes")
    return {
        f"iteration_{name}": np.array(column) for name, column in zip(names, columns, strict=True)
    }
