"""Options that several subcommands share, and the objects that they describe."""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from splitmodel.errors import InputError
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.workload import Workload

BASELINE = "baseline-"
Flag = Annotated[bool, Parameter(negative="")]
"""An option that is there or not."""


@Parameter(name="*", group="Cluster")
@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """One cluster; an option that is not given takes the default of `Cluster`."""

    design: str | None = None
    """AA, HH, HA, HHcap, baseline-A100, baseline-H100 or baseline-MACHINE. Without it, --prompt
    and --token name their machines."""
    prompt: str | None = None
    """Prompt machines: a count, or MACHINE:COUNT without --design."""
    token: str | None = None
    """Token machines, likewise."""
    machines: int | None = None
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
    tensor_parallel: int | None = None
    """GPUs that share each layer. [default: 8]"""
    pipeline_parallel: int | None = None
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
        if self.design is not None and self.design.startswith(BASELINE):
            kind, make = self.design, Cluster.baseline
            given["machine"] = given.pop("design").removeprefix(BASELINE)
        else:
            kind, make = self.design or "a cluster without --design", Cluster.splitwise
            caps = {role: given.pop(f"{role}_power_cap", self.power_cap) for role in _ROLES}
            given["power_cap"] = {role: cap for role, cap in caps.items() if cap is not None}
            given |= {role: _machines(role, given[role]) for role in _ROLES if role in given}
        parameters = signature(make).parameters
        for name in given.keys() - parameters.keys():
            raise InputError(f"{name}: {kind} has no such option; it takes {_listed(parameters)}")
        for name, parameter in parameters.items():
            if parameter.default is parameter.empty and name not in given:
                example = "25" if self.design else "DGX-H100:25"
                raise InputError(f"{name}: {kind} needs it, for example --{name} {example}")
        return make(**given)


DEFAULTS = ClusterOptions()
"""No option given; cyclopts asks for it where every option may be left out."""
_ROLES = ("prompt", "token")


def _listed(names: Any) -> str:
    return ", ".join("--" + name.replace("_", "-") for name in names if name != "machine")


def _machines(role: str, text: str) -> Any:
    """COUNT or MACHINE:COUNT as `Cluster.splitwise` takes them."""
    machine, colon, count = text.rpartition(":")
    try:
        return (machine, int(count)) if colon else int(count)
    except ValueError as problem:
        raise InputError(f"{role}: {text!r} is neither a count nor MACHINE:COUNT") from problem


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
        if Path(self.workload).suffix == ".csv":
            return Workload.from_csv(self.workload, rate_rps, independent=self.independent)
        return Workload.azure(self.workload, rate_rps, independent=self.independent)


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
    """analytic."""

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `splitmodel.evaluate` and its like."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return given | {"slo": None if self.slo == "none" else self.slo}
