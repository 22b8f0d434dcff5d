"""Every output variable: its name, meaning and dimensions, for result attributes and the docs.

The unit is not written here: it follows from the name's suffix (`splitmodel.units`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from splitmodel.codes import Bound, Code, Status
from splitmodel.units import unit_of

PERCENTILES = (50, 90, 99)
"""Percentiles over requests that results give and limits are set on."""

COORDINATES: dict[str, tuple[str, ...] | tuple[int, ...]] = {
    "percentile": PERCENTILES,
    "part": ("queue", "prefill"),
    "pool": ("prompt", "token", "mixed"),
    "phase": ("prefill", "decode"),
}
"""Labels along each dimension of an output."""


@dataclass(frozen=True)
class Variable:
    """One output variable."""

    name: str
    long_name: str
    definition: str
    dims: tuple[str, ...] = ()
    codes: type[Code] | None = None
    """Meaning of the values, where they are codes."""

    @property
    def units(self) -> str:
        """Unit, from the suffix of the name."""
        return unit_of(self.name)


_PERCENTILE = ("percentile",)

_METRICS = (
    Variable(
        "ttft_s",
        "time to first token",
        "From a request's arrival to the end of its prefill, which yields the first token; "
        "percentiles over requests.",
        _PERCENTILE,
    ),
    Variable(
        "tbt_s",
        "time between tokens",
        "Per request, (end-to-end time − time to first token) / (output tokens − 1), with visible "
        "KV-cache transfer and waiting; percentiles over the requests with at least two output "
        'tokens. With semantics="splitwise-sim" the divisor is the output tokens.',
        _PERCENTILE,
    ),
    Variable(
        "e2e_s",
        "end-to-end time",
        "From a request's arrival to its last token; percentiles over requests.",
        _PERCENTILE,
    ),
    Variable(
        "ttft_slowdown",
        "slowdown of the time to first token",
        "Per request, time to first token over that of the same request alone on the reference "
        "machine; percentiles over requests.",
        _PERCENTILE,
    ),
    Variable(
        "tbt_slowdown",
        "slowdown of the time between tokens",
        "Per request, time between tokens over that of the same request alone on the reference "
        "machine; percentiles over the requests with at least two output tokens.",
        _PERCENTILE,
    ),
    Variable(
        "e2e_slowdown",
        "slowdown of the end-to-end time",
        "Per request, end-to-end time over that of the same request alone on the reference "
        "machine; percentiles over requests.",
        _PERCENTILE,
    ),
    Variable(
        "ttft_parts_s",
        "parts of the mean time to first token",
        "Mean wait until prefill starts (queue) and mean time in prefill; they add up to the mean "
        "time to first token.",
        ("part",),
    ),
    Variable(
        "kv_transfer_s",
        "visible KV-cache transfer time",
        "Mean delay per request that moving its KV cache adds between prefill and decode: what "
        "overlap with prefill does not hide, waits for links that other transfers keep busy "
        "included. Zero where both phases share a machine.",
    ),
    Variable(
        "throughput_rps",
        "throughput",
        "Requests completed per second: the smaller of arrival rate and saturation rate.",
    ),
    Variable(
        "saturation_rps",
        "saturation rate",
        "Arrival rate at which the first pool, or its links to the other one, is busy all the "
        "time; queues are finite below it.",
    ),
    Variable(
        "load_fraction",
        "load fraction",
        "Arrival rate over saturation rate.",
    ),
    Variable(
        "utilisation",
        "utilisation",
        "Share of time in which a pool's machines run an iteration, in a simulation until its last "
        "request ends; zero for a pool without machines. Baselines have the mixed pool only.",
        ("pool",),
    ),
    Variable(
        "bound",
        "binding resource",
        "Resource that takes the largest part of the time of a phase's typical iteration.",
        ("phase",),
        Bound,
    ),
    Variable(
        "cost_usd_per_hour",
        "cost",
        "Price of all machines of the cluster; a power cap does not change it.",
    ),
    Variable(
        "usd_per_request",
        "cost per request",
        "Cost of the cluster over its throughput.",
    ),
    Variable(
        "usd_per_million_tokens",
        "cost per million tokens",
        "Cost of the cluster over the output tokens that it generates, in millions; prompt tokens "
        "are not counted.",
    ),
    Variable(
        "requests_per_usd",
        "requests per dollar",
        "Throughput of the cluster over its cost.",
    ),
    Variable(
        "power_provisioned_w",
        "provisioned power",
        "Power that must be provisioned for all machines, each at its cap; this is what a power "
        "budget limits.",
    ),
    Variable(
        "power_mean_w",
        "mean power",
        "Mean power that all machines draw at this load, idle time included.",
    ),
    Variable(
        "energy_j_per_request",
        "energy per request",
        "Mean power over throughput.",
    ),
    Variable(
        "requests_per_joule",
        "requests per joule",
        "Throughput over mean power.",
    ),
    Variable(
        "machines",
        "machines",
        "Machines in all pools.",
    ),
    Variable(
        "slo_attainment",
        "SLO attainment",
        "Share of requests within the loosest percentile limit of every metric. A simulation "
        "counts them; the analytic tier gives the lower bound 1 − Σ (share outside), the sum "
        "running over the metrics.",
    ),
    Variable(
        "goodput_rps",
        "goodput",
        "Throughput × SLO attainment.",
    ),
    Variable(
        "slo_met",
        "SLO met",
        "1 where the status is ok and every percentile is strictly below its limit, else 0.",
    ),
    Variable(
        "status",
        "status",
        "What became of the configuration; only with ok do all outputs have a value.",
        codes=Status,
    ),
)

_COMPARED = {"rate": "highest rate", "cost": "cost", "power": "provisioned power"}

_DECISION = (
    Variable(
        "highest_rate_rps",
        "highest rate",
        "Highest arrival rate at which all limits are met: the first crossing from below.",
    ),
    *(
        Variable(
            f"{quantity}_vs_baseline_{machine.lower()}",
            f"{long_name} against Baseline-{machine}",
            f"Ratio of the {long_name} to that of the best Baseline-{machine} in the same result.",
        )
        for quantity, long_name in _COMPARED.items()
        for machine in ("A100", "H100")
    ),
    Variable(
        "map_highest_rate_rps",
        "highest rate on the map",
        "Highest rate over a grid of prompt and token machines, rounded down to 1.6% of the "
        "saturation rate.",
    ),
    Variable(
        "map_cost_usd_per_hour",
        "cost on the map",
        "Price of all machines over the same grid.",
    ),
    Variable(
        "map_power_provisioned_w",
        "provisioned power on the map",
        "Power that must be provisioned for all machines over the same grid.",
    ),
    Variable(
        "map_machines",
        "machines on the map",
        "Machines in all pools over the same grid.",
    ),
)

_CONFIRMED = (
    Variable(
        "holds_in_simulation",
        "limits met in simulation",
        "1 where, at the rate of the load, the mean over several runs of every percentile is below "
        "its limit and every run is stable, else 0.",
    ),
    *(
        Variable(
            f"simulated_{each.name}",
            f"simulated {each.long_name}",
            f"As `{each.name}`, from a simulation at the same rate: mean over several runs.",
            each.dims,
        )
        for each in _METRICS
        if each.dims == _PERCENTILE
    ),
    Variable(
        "simulated_highest_rate_rps",
        "simulated highest rate",
        "Arrival rate at which, from below, the mean over several runs of a percentile reaches its "
        "limit in simulation.",
    ),
)

_REQUEST = ("request",)
_ITERATION = ("iteration",)

_SIMULATED = (
    Variable(
        "request_arrival_s",
        "arrival of a request",
        "Time at which each request of a simulation arrived; requests are in this order, which is "
        "that of a trace.",
        _REQUEST,
    ),
    Variable("request_prompt_tokens", "prompt of a request", "Size of its prompt.", _REQUEST),
    Variable("request_output_tokens", "output of a request", "Size of its output.", _REQUEST),
    Variable(
        "request_queue_s",
        "wait of a request",
        "From its arrival to the start of its prefill.",
        _REQUEST,
    ),
    Variable(
        "request_ttft_s",
        "time to first token of a request",
        "From its arrival to the end of its prefill.",
        _REQUEST,
    ),
    Variable(
        "request_tbt_s",
        "time between tokens of a request",
        "As `tbt_s`; undefined (NaN) for a request with one output token.",
        _REQUEST,
    ),
    Variable(
        "request_e2e_s",
        "end-to-end time of a request",
        "From its arrival to its last token.",
        _REQUEST,
    ),
    Variable(
        "iteration_server",
        "server of an iteration",
        "Instance, counted over all pools, on which each iteration of a simulation ran, or each "
        "run of decode steps in which the batch stays the same.",
        _ITERATION,
    ),
    Variable("iteration_start_s", "start of an iteration", "When it started.", _ITERATION),
    Variable("iteration_end_s", "end of an iteration", "When it ended.", _ITERATION),
    Variable("iteration_prompts", "prompts of an iteration", "Prompts computed.", _ITERATION),
    Variable(
        "iteration_decodes", "decodes of an iteration", "Requests that decode in it.", _ITERATION
    ),
    Variable(
        "iteration_tokens",
        "tokens of an iteration",
        "Prompt tokens and decodes computed in each of its steps.",
        _ITERATION,
    ),
    Variable(
        "iteration_kv_bytes",
        "KV cache in an iteration",
        "Memory of the server that is taken when it ends.",
        _ITERATION,
    ),
)

VARIABLES: dict[str, Variable] = {
    each.name: each for each in (*_METRICS, *_DECISION, *_CONFIRMED, *_SIMULATED)
}
"""Every output variable by name, in the order of the nomenclature: those of one configuration,
those of a decision between many, those that confirm it, then the details of a simulation."""


def variable_of(name: str) -> tuple[Variable, str]:
    """The variable of that name, and which end of its interval is meant, if one is."""
    for suffix, end in (("_low", "lower"), ("_high", "upper")):
        if name.endswith(suffix):
            return VARIABLES[name.removesuffix(suffix)], end
    return VARIABLES[name], ""


def attrs_of(name: str) -> dict[str, Any]:
    """Attributes of an output variable, after the CF conventions.

    Returns:
        `units`, `long_name` and `description`; for codes also `flag_values` and `flag_meanings`.

    References:
        CF conventions, section 3.5 (flags).
    """
    variable, end = variable_of(name)
    attrs: dict[str, Any] = {
        "units": variable.units,
        "long_name": f"{end} end of {variable.long_name}" if end else variable.long_name,
        "description": variable.definition,
    }
    if variable.codes is not None:
        attrs["flag_values"] = [int(code) for code in variable.codes]
        attrs["flag_meanings"] = " ".join(code.name.lower() for code in variable.codes)
    return attrs
