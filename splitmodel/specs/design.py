"""Kinds of cluster by the name of their design."""

from __future__ import annotations

from typing import Any

from splitmodel.errors import unknown_name
from splitmodel.specs.cluster import BASELINE_MACHINES, DESIGNS, Cluster

BASELINE = "baseline-"
DESIGN_NAMES = (*(BASELINE + machine for machine in BASELINE_MACHINES), *DESIGNS)
"""The six designs of the paper; names of machines make others, see `cluster_of`."""


def cluster_of(
    design: str, *, prompt: float = 1, token: float = 1, machines: float = 1, **policies: Any
) -> Cluster:
    """A cluster of a named design.

    Args:
        design: "AA", "HH", "HA" or "HHcap"; "baseline-A100", "baseline-H100" or
            "baseline-MACHINE"; "MACHINE+MACHINE" for any machines in the prompt and token pool.
        prompt: machines in the prompt pool; a baseline has none.
        token: machines in the token pool; a baseline has none.
        machines: machines of a baseline.
        policies: further arguments of `Cluster.splitwise` or `Cluster.baseline`.

    Raises:
        InputError: for an unknown name or a value out of range.
    """
    if is_baseline(design):
        return Cluster.baseline(design.removeprefix(BASELINE), machines=machines, **policies)
    if design in DESIGNS:
        return Cluster.splitwise(design, prompt=prompt, token=token, **policies)
    first, plus, second = design.partition("+")
    if not plus:
        raise unknown_name("design", design, [*DESIGN_NAMES, "MACHINE+MACHINE"])
    return Cluster.splitwise(prompt=(first, prompt), token=(second, token), **policies)


def is_baseline(design: str) -> bool:
    """Whether a design has machines of one kind that run both phases."""
    return design.startswith(BASELINE)
