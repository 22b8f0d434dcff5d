"""Options that several subcommands share, and the objects that they describe."""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import signature
from typing import Annotated, Any

from cyclopts import Parameter

from splitmodel.errors import InputError
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.design import cluster_of, is_baseline
from splitmodel.specs.entry import Entry
from splitmodel.specs.workload import Workload

Flag = Annotated[bool, Parameter(negative="")]
"""An option that is there or not."""


@Parameter(name="*", group="Cluster")
@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """One cluster; an option that is not given takes the default of `Cluster`."""

    design: str
    """AA, HH, HA, HHcap, baseline-A100, baseline-H100, baseline-MACHINE, or MACHINE+MACHINE for
    the prompt and the token pool."""
    prompt: float | None = None
    """Prompt machines."""
    token: float | None = None
    """Token machines."""
    machines: float | None = None
    """Machines of a baseline."""
    batching: str | None = None
    """Batching of a baseline: mixed, continuous or request. [default: mixed]"""
    mixed_pool: bool | None = None
    """Whether an overloaded pool may use machines of the other one. [default: yes]"""
    kv_transfer: str | None = None
    """auto, serialized, layerwise or none. [default: auto]"""
    power_cap: float | None = None
    """Power cap of all machines as a fraction of the GPUs' TDP. [default: that of the design]"""
    prompt_power_cap: float | None = None
    """The same for the prompt pool alone."""
    token_power_cap: float | None = None
    """The same for the token pool alone."""
    tensor_parallel: float | None = None
    """GPUs that share each layer. [default: 8]"""
    pipeline_parallel: float | None = None
    """Stages that share the layers. [default: 1]"""
    price_set: str | None = None
    """Prices and provisioned power: default, datasheet or one of the machine's own."""

    def build(self) -> Cluster:
        """The cluster.

        Raises:
            InputError: for a bad value, or an option that this kind of cluster lacks or needs.
        """
        given = {
            each.name: value
            for each in fields(self)
            if (value := getattr(self, each.name)) is not None
        }
        baseline = is_baseline(self.design)
        known = signature(Cluster.baseline if baseline else Cluster.splitwise).parameters
        if not baseline:
            caps = {role: given.pop(f"{role}_power_cap", self.power_cap) for role in _SPLIT}
            given["power_cap"] = {role: cap for role, cap in caps.items() if cap is not None}
        for name in given.keys() - known.keys() - {"design"}:
            raise InputError(f"{name}: {self.design} has no such option")
        for name in ("machines",) if baseline else _SPLIT:
            if name not in given:
                raise InputError(f"{name}: {self.design} needs it, for example --{name} 25")
        return cluster_of(**given)


_SPLIT = ("prompt", "token")
"""Pools of a Splitwise cluster."""


@Parameter(name="*", group="Workload")
@dataclass(frozen=True, kw_only=True)
class SizesOptions:
    """Sizes of the requests."""

    workload: str
    """conv or code (Azure's conversation and coding services), or a CSV file with the columns
    prompt_tokens, output_tokens and, if there, arrival_s."""
    independent: Flag = False
    """Draw prompt and output sizes independently of each other."""

    def build(self, rate_rps: float | None) -> Workload:
        """The workload at that rate; without one, at that of the file's arrivals.

        Raises:
            InputError: for an unknown name, a bad file or a bad rate.
        """
        return Workload.named(self.workload, rate_rps, independent=self.independent)


@Parameter(name="*", group="Model and limits")
@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """What is asked about a cluster and its load."""

    model: str
    """Name in the catalogue, FILE.toml, FILE.toml#NAME or a Hugging Face config.json."""
    slo: str = "splitwise"
    """Latency limits: splitwise (the paper's nine), FILE.toml, or none."""
    timing: str | None = None
    """Iteration times: roofline or interpolated. [default: that of the semantics]"""
    semantics: str = "physical"
    """physical, or splitwise-sim: everything as the authors' simulator has it."""
    stack: str | None = None
    """Serving stack's host overhead: splitwise-2023 or graphs. [default: splitwise-2023 where it
    was measured]"""
    reference: str | None = None
    """Machine of the slowdowns' denominator. [default: that of the limits, DGX-A100]"""
    tier: str = "analytic"
    """analytic, or for `evaluate` and `max-rate` simulate: every request and every iteration."""

    @classmethod
    def from_entry(cls, entry: Entry) -> QuestionOptions:
        """Options that one table of a file gives; the others keep their defaults."""
        optional = [each.name for each in fields(cls) if each.name != "model"]
        given = {name: entry.text(name, "") for name in optional}
        return cls(
            model=entry.text("model"), **{name: text for name, text in given.items() if text}
        )

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `splitmodel.evaluate` and its like."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return given | {"slo": None if self.slo == "none" else self.slo}


@Parameter(name="*", group="Simulation")
@dataclass(frozen=True, kw_only=True)
class SimulationOptions:
    """How requests arrive in a simulation, and how many runs there are."""

    seed: int | None = None
    """Of the requests that are drawn. [default: 0]"""
    seeds: int | None = None
    """Runs with requests of their own; outputs are means over them."""
    duration_s: float | None = None
    """How long requests are drawn for [s]."""
    arrivals: str | None = None
    """replay the arrivals of a trace, or draw random requests."""
    burstiness: float | None = None
    """Coefficient of variation of random gaps between arrivals. [default: 1, a Poisson stream]"""
    warm_up_s: float | None = None
    """Requests that arrive before this time are not counted [s]."""
    cool_down_s: float | None = None
    """Nor are those that arrive within this time of the last one [s]."""
    routing: str | None = None
    """Server of a baseline: the one with the fewest pending tokens or the least reserved memory,
    or a central queue. [default: tokens]"""

    def given(self) -> dict[str, Any]:
        """Fields of `Simulation` that are given; the others keep the defaults of the command."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


NO_OPTION = SimulationOptions()
"""A simulation as the command has it by default."""
