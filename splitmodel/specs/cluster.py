"""The cluster: pools of machines, their roles and their batching and transfer policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from splitmodel.errors import InputError, check_choice, check_range
from splitmodel.specs.catalogue import machine as catalogue_machine
from splitmodel.specs.hardware import Machine
from splitmodel.specs.host_only import HostOnly
from splitmodel.units import Number, Scalar

BATCHINGS = ("request", "continuous", "mixed")
"""Batching mechanisms of a baseline, Splitwise Figure 2; a batching's code is its index."""
KV_TRANSFERS = ("none", "serialized", "layerwise", "auto")
"""How the KV cache moves from prompt to token machine; a transfer's code is its index."""
POOLS = ("prompt", "token", "mixed")

MAX_BATCH_TOKENS = 2048.0
"""Prompt tokens beyond which throughput falls, Splitwise section IV-C."""
MAX_BATCH_SIZE = 512.0
"""Requests in one iteration at most, default of the authors' simulator."""
MAX_PENDING_TOKENS = 8192.0
"""Queue beyond which a prompt goes to the other pool, default of the authors' simulator."""


class Pool(eqx.Module):
    """Machines of one kind in one role."""

    machine: Machine
    machines: Scalar
    """How many; a real number, so that gradients mean something."""
    tensor_parallel: Scalar
    pipeline_parallel: Scalar
    power_cap: Scalar
    """Cap as a fraction of the GPUs' TDP, in (0, 1]."""


class Cluster(eqx.Module):
    """Three pools and the policies that join them.

    Baselines have all machines in the mixed pool and `splits_phases` = 0. In a Splitwise cluster
    the mixed pool holds no machine of its own: with `mixed_pool` = 1 it borrows from the others.
    """

    prompt: Pool
    token: Pool
    mixed: Pool
    splits_phases: Scalar
    """1 for Splitwise, 0 for a baseline."""
    mixed_pool: Scalar
    """1 where an overloaded pool may use machines of the other one."""
    batching: Scalar
    """Index into BATCHINGS, for baselines."""
    kv_transfer: Scalar
    """Index into KV_TRANSFERS, for Splitwise."""
    max_batch_tokens: Scalar
    max_batch_size: Scalar
    max_pending_tokens: Scalar
    """Prompt tokens queued at a machine beyond which a prompt goes to the other pool."""
    label: HostOnly[str] = eqx.field(static=True)
    by_request: bool = eqx.field(static=True, default=False)
    """Whether the batching is "request": static, as its flow takes seconds to compile and is seldom
    asked for."""

    @classmethod
    def splitwise(
        cls,
        design: str | None = None,
        *,
        prompt: Any,
        token: Any,
        mixed_pool: bool = True,
        kv_transfer: str = "auto",
        power_cap: Number | Mapping[str, Number] | None = None,
        tensor_parallel: Number = 8,
        pipeline_parallel: Number = 1,
        max_batch_tokens: Number = MAX_BATCH_TOKENS,
        max_batch_size: Number = MAX_BATCH_SIZE,
        max_pending_tokens: Number = MAX_PENDING_TOKENS,
        price_set: str = "default",
    ) -> Cluster:
        """A phase-splitting cluster.

        Args:
            design: "AA", "HH", "HA" or "HHcap" (prompt and token GPU, capped at 0.7); without it
                `prompt` and `token` name their machines.
            prompt: machines for prompts: a count, or (machine, count) where machine is a name,
                a TOML path or a `Machine`.
            token: machines for token generation, likewise.
            mixed_pool: whether an overloaded pool may use machines of the other one.
            kv_transfer: "auto", "serialized", "layerwise" or "none".
            power_cap: fraction of TDP in (0, 1]; one for both pools, or per pool as a mapping.
            tensor_parallel: GPUs that share each layer.
            pipeline_parallel: stages that share the layers.
            max_batch_tokens: prompt tokens batched in one iteration at most.
            max_batch_size: requests in one iteration at most.
            max_pending_tokens: prompt tokens queued at a machine beyond which a prompt goes to
                the other pool.
            price_set: price and power set of the catalogue.

        Raises:
            InputError: for an unknown name or a value out of range.

        References:
            Patel et al., Splitwise, ISCA 2024, Table V (designs), section IV.
        """
        if design is None:
            chosen = Design(_machine_of("prompt", prompt), _machine_of("token", token), 1.0)
            prompt, token = prompt[1], token[1]
        else:
            chosen = DESIGNS[check_choice("design", design, DESIGNS)]
        caps = _caps(power_cap, {"prompt": 1.0, "token": chosen.token_cap})
        pools: dict[str, Any] = {
            role: Pool(
                machine=catalogue_machine(kind, price_set),
                machines=_count(role, machines),
                power_cap=caps[role],
                **_parallelism(tensor_parallel, pipeline_parallel),
            )
            for role, kind, machines in (
                ("prompt", chosen.prompt, prompt),
                ("token", chosen.token, token),
            )
        }
        return cls(
            **pools,
            mixed=eqx.tree_at(lambda pool: pool.machines, pools["prompt"], 0.0),
            splits_phases=1.0,
            mixed_pool=float(mixed_pool),
            batching=float(BATCHINGS.index("mixed")),
            kv_transfer=float(
                KV_TRANSFERS.index(check_choice("kv_transfer", kv_transfer, KV_TRANSFERS))
            ),
            max_batch_tokens=_positive("max_batch_tokens", max_batch_tokens),
            max_batch_size=_positive("max_batch_size", max_batch_size),
            max_pending_tokens=_positive("max_pending_tokens", max_pending_tokens),
            label=HostOnly(design or f"{chosen.prompt}+{chosen.token}"),
        )

    @classmethod
    def baseline(
        cls,
        machine: Any,
        *,
        machines: Number,
        batching: str = "mixed",
        power_cap: Number = 1.0,
        tensor_parallel: Number = 8,
        pipeline_parallel: Number = 1,
        max_batch_tokens: Number = MAX_BATCH_TOKENS,
        max_batch_size: Number = MAX_BATCH_SIZE,
        price_set: str = "default",
    ) -> Cluster:
        """A cluster in which every machine runs both phases.

        Args:
            machine: "A100" or "H100" for the DGX, else a machine's name, TOML path or `Machine`.
            machines: how many.
            batching: "mixed" (mixed continuous), "continuous" (prompts preempt tokens) or
                "request" (a batch runs to its end).
            power_cap: fraction of TDP in (0, 1].
            tensor_parallel: GPUs that share each layer.
            pipeline_parallel: stages that share the layers.
            max_batch_tokens: prompt tokens batched in one iteration at most.
            max_batch_size: requests in one iteration at most.
            price_set: price and power set of the catalogue.

        Raises:
            InputError: for an unknown name or a value out of range.

        References:
            Patel et al., Splitwise, ISCA 2024, Figure 2 (batching mechanisms), section VI.
        """
        kind = BASELINE_MACHINES.get(machine, machine) if isinstance(machine, str) else machine
        pool = Pool(
            machine=catalogue_machine(kind, price_set),
            machines=_count("machines", machines),
            power_cap=_caps(power_cap, {"mixed": 1.0})["mixed"],
            **_parallelism(tensor_parallel, pipeline_parallel),
        )
        empty = eqx.tree_at(lambda pool: pool.machines, pool, 0.0)
        return cls(
            prompt=empty,
            token=empty,
            mixed=pool,
            splits_phases=0.0,
            mixed_pool=0.0,
            batching=float(BATCHINGS.index(check_choice("batching", batching, BATCHINGS))),
            kv_transfer=float(KV_TRANSFERS.index("none")),
            max_batch_tokens=_positive("max_batch_tokens", max_batch_tokens),
            max_batch_size=_positive("max_batch_size", max_batch_size),
            max_pending_tokens=MAX_PENDING_TOKENS,
            label=HostOnly(f"baseline-{machine}"),
            by_request=batching == "request",
        )

    @property
    def machines(self) -> Scalar:
        """Machines in all pools."""
        return self.prompt.machines + self.token.machines + self.mixed.machines

    @property
    def usd_per_hour(self) -> Scalar:
        """Price of all machines [$/h]; a capped machine costs the same."""
        return sum((pool.machines * pool.machine.usd_per_hour for pool in self.pools), start=0.0)

    @property
    def power_provisioned_w(self) -> Scalar:
        """Power to be provisioned [W]: a capped machine takes its cap's share."""
        return sum(
            (
                pool.machines * pool.machine.power_provisioned_w * pool.power_cap
                for pool in self.pools
            ),
            start=0.0,
        )

    @property
    def pools(self) -> tuple[Pool, Pool, Pool]:
        """Pools in the order of POOLS."""
        return self.prompt, self.token, self.mixed


class Design(NamedTuple):
    """Machines of a Splitwise design and the power cap of its token machines."""

    prompt: Any
    token: Any
    token_cap: float


DESIGNS = {
    "AA": Design("DGX-A100", "DGX-A100", 1.0),
    "HH": Design("DGX-H100", "DGX-H100", 1.0),
    "HA": Design("DGX-H100", "DGX-A100", 1.0),
    "HHcap": Design("DGX-H100", "DGX-H100", 0.7),
}
"""Splitwise designs, Patel et al., ISCA 2024, Table V."""

BASELINE_MACHINES = {"A100": "DGX-A100", "H100": "DGX-H100"}


def _machine_of(role: str, value: Any) -> Any:
    """The machine of a (machine, count) pair."""
    if not (isinstance(value, tuple | list) and len(value) == 2):
        raise InputError(
            f"{role}: {value!r} is not a (machine, count) pair; without a design name each "
            'pool names its machine, for example ("DGX-H100", 25)'
        )
    return value[0]


def _concrete(value: Any) -> bool:
    """Whether a value can be checked on the host; traced values are the caller's business."""
    return isinstance(value, int | float | np.ndarray | np.generic | str)


def _positive(field: str, value: Any) -> Any:
    return float(check_range(field, value)) if _concrete(value) else value


def _count(field: str, machines: Any) -> Any:
    if isinstance(machines, tuple | list):
        raise InputError(f"{field}: {machines!r} names a machine, but the design names it already")
    return _positive(field, machines)


def _parallelism(tensor_parallel: Any, pipeline_parallel: Any) -> dict[str, Any]:
    return {
        "tensor_parallel": _whole("tensor_parallel", tensor_parallel),
        "pipeline_parallel": _whole("pipeline_parallel", pipeline_parallel),
    }


def _whole(field: str, value: Any) -> Any:
    if _concrete(value) and check_range(field, value, low=1.0, open_low=False) != round(value):
        raise InputError(f"{field}: {value} is not a whole number of GPUs")
    return float(value) if _concrete(value) else value


def _caps(power_cap: Any, defaults: dict[str, float]) -> dict[str, Any]:
    """Caps by pool, from one number or a mapping."""
    given = power_cap if isinstance(power_cap, Mapping) else dict.fromkeys(defaults, power_cap)
    for role in given:
        check_choice("power_cap", role, defaults)
    merged = {
        role: default if given.get(role) is None else given[role]
        for role, default in defaults.items()
    }
    for role, cap in merged.items():
        if _concrete(cap):
            check_range(f"power_cap of the {role} pool", cap, high=1.0)
    return merged
