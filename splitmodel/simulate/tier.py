"""The request-level tier as `evaluate` calls it: a configuration and a load in, variables out."""

from __future__ import annotations

from typing import Any

import numpy as np

from splitmodel.errors import InputError, check_range
from splitmodel.simulate.options import Simulation
from splitmodel.simulate.run import Outcome, run_all
from splitmodel.simulate.setting import Setting
from splitmodel.simulate.summary import combined, latencies, summary
from splitmodel.specs.workload import Workload

INTERVAL = 0.9
"""Confidence of the intervals that several seeds give, unless another is asked for."""


def simulated(
    setting: Setting,
    load: Workload,
    options: Simulation,
    *,
    interval: float | None = None,
    per_request: bool = False,
    timeline: bool = False,
) -> dict[str, Any]:
    """Variables of the nomenclature by name; those that no run tells are not among them.

    Args:
        setting: the configuration.
        load: its requests.
        options: how they arrive, and how many runs there are.
        interval: confidence of the intervals that several seeds give, in (0, 1).
        per_request: whether to return every request, in the order of arrival.
        timeline: whether to return every iteration of every server.

    Raises:
        InputError: for a request that can never fit, or options that contradict each other or the
            workload.
    """
    if interval is not None:
        check_range("interval", interval, high=np.nextafter(1.0, 0.0))
        if options.seeds < 2:
            raise InputError("interval: one run leaves nothing to compare; give seeds of 2 or more")
    if options.seeds > 1 and (per_request or timeline):
        raise InputError("per_request, timeline: they show one run, but seeds asks for more")

    def summarise(outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
        details = _requests(setting, outcome) if per_request else {}
        return summary(setting, outcome), details | (_iterations(outcome) if timeline else {})

    runs = run_all(setting, load, options, summarise, timeline)
    confidence = None if options.seeds == 1 else interval or INTERVAL
    return combined([values for values, _ in runs], confidence) | runs[0][1]


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


def _iterations(outcome: Outcome) -> dict[str, Any]:
    """Every iteration of every server, or run of decode steps, in the order of their ends."""
    columns = list(zip(*outcome.iterations, strict=True)) or [()] * 7
    names = ("server", "start_s", "end_s", "prompts", "decodes", "tokens", "kv_bytes")
    return {
        f"iteration_{name}": np.array(column) for name, column in zip(names, columns, strict=True)
    }
