"""The configurations to be swept: a product of axes, less what exceeds a limit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from splitmodel.errors import InputError, check_range
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.design import cluster_of, is_baseline
from splitmodel.specs.entry import Entry
from splitmodel.specs.files import read_file
from splitmodel.sweep.axes import AXES, axis_values
from splitmodel.sweep.engine import Group, Rows
from splitmodel.sweep.toml import LARGEST, toml_value, values_of

SLACK = 1e-6
"""Relative, in limits; so that 70 DGX-A100 fit the power of 40 DGX-H100 in spite of rounding."""
LIMITS = {
    "max_power_w": "power_provisioned_w",
    "max_usd_per_hour": "usd_per_hour",
    "max_machines": "machines",
}
"""Limits of a space, with the property of `Cluster` that each one bounds."""


class Kind(NamedTuple):
    """A kind of hardware of a space: values of the axes that make it, and its configurations."""

    labels: dict[str, Any]
    group: Group


@dataclass(frozen=True)
class DesignSpace:
    """A product of axes: the configurations of a sweep.

    Every axis takes a list, a range or a single value. One that is not given does not vary: it
    has the default of `Cluster`, and the rate is that of the workload.

    Designs with a prompt and a token pool have counts `prompt` and `token`, baselines `machines`.
    Where a space has both kinds, each kind varies along the axes that it has.
    """

    design: Any
    """Names of designs, as `splitmodel.specs.design.cluster_of` takes them."""
    prompt: Any = None
    """Machines in the prompt pool."""
    token: Any = None
    """Machines in the token pool."""
    machines: Any = None
    """Machines of a baseline."""
    rate_rps: Any = None
    """Arrival rates [requests/s]."""
    power_cap: Any = None
    """Caps of all machines as a fraction of the GPUs' TDP, in (0, 1]. They replace a design's own
    cap, so that HHcap is then HH; give HHcap a space of its own to keep that."""
    tensor_parallel: Any = None
    """GPUs that share each layer."""
    pipeline_parallel: Any = None
    """Stages that share the layers."""
    batching: Any = None
    """Batching mechanisms of a baseline: "mixed", "continuous" or "request"."""
    kv_transfer: Any = None
    """"auto", "serialized", "layerwise" or "none"; not for baselines."""
    mixed_pool: Any = None
    """Whether an overloaded pool may use machines of the other one; not for baselines."""
    max_power_w: Any = None
    """Leave out clusters with more provisioned power [W]."""
    max_usd_per_hour: Any = None
    """Leave out clusters that cost more [$/h]."""
    max_machines: Any = None
    """Leave out clusters of more machines."""

    def __post_init__(self) -> None:
        """Check everything, so that a space that exists can be swept."""
        for name in AXES:
            if name == "design" or getattr(self, name) is not None:
                object.__setattr__(self, name, axis_values(name, getattr(self, name)))
        for name in LIMITS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(check_range(name, getattr(self, name))))
        self._check_axes_apply()
        self._check_size()
        if len(self) == 0:
            raise InputError(
                f"{next(iter(self.limits))}: no configuration is within the limits; the smallest "
                "clusters of the space exceed them"
            )

    def _check_axes_apply(self) -> None:
        for design in self.design:
            for name in ("machines",) if is_baseline(design) else ("prompt", "token"):
                if name not in self.axes:
                    raise InputError(f"{name}: missing; design {design} needs it")
        for name in self.axes:
            if not any(_has(design, name) for design in self.design):
                raise InputError(f"{name}: none of the designs {', '.join(self.design)} has it")

    def _check_size(self) -> None:
        """Before anything is expanded, and so before limits leave anything out."""
        for design in self.design:
            sizes = {
                name: len(values)
                for name, values in self.axes.items()
                if name != "design" and _has(design, name)
            }
            if (size := math.prod(sizes.values()) * len(self.design)) > LARGEST:
                longest = max(sizes, key=lambda name: sizes[name])
                raise InputError(
                    f"{longest}: with its {sizes[longest]:,} values the space has up to {size:,} "
                    f"configurations, more than {LARGEST:,}; sweep parts of it"
                )

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """Values by axis, for those that were given, in the order of a result's dimensions."""
        return {name: getattr(self, name) for name in AXES if getattr(self, name) is not None}

    @property
    def limits(self) -> dict[str, float]:
        """Limits that were given."""
        return {name: getattr(self, name) for name in LIMITS if getattr(self, name) is not None}

    @property
    def is_product(self) -> bool:
        """Whether the configurations are all combinations of the axes."""
        return not self.limits and len({is_baseline(design) for design in self.design}) == 1

    def __len__(self) -> int:
        """Number of configurations."""
        return sum(len(kind.group.rows.rate_rps) for kind in self.kinds(1.0))

    def kinds(self, rate_rps: float) -> Iterator[Kind]:
        """Configurations by kind of hardware; those of a product come in its order.

        Args:
            rate_rps: arrival rate where the space has no such axis [requests/s].
        """
        for design in self.design:
            hardware = {
                name: values
                for name, values in self.axes.items()
                if name not in _PER_ROW and _has(design, name)
            } | {"design": (design,)}
            rows = self._rows(design, rate_rps)
            for values in product(*hardware.values()):
                labels = dict(zip(hardware, values, strict=True))
                cluster = cluster_of(**labels)
                kept = self._within_limits(cluster, rows)
                if kept.any():
                    yield Kind(labels, Group(cluster, Rows(*(each[kept] for each in rows))))

    def _rows(self, design: str, rate_rps: float) -> Rows:
        """All counts and rates of a design."""
        axes = {"prompt": (0,), "token": (0,), "machines": (0,), "rate_rps": (rate_rps,)}
        axes |= {name: self.axes[name] for name in axes if name in self.axes and _has(design, name)}
        grid = np.meshgrid(*(np.array(axes[name], float) for name in _PER_ROW), indexing="ij")
        return Rows(*(each.ravel() for each in grid))

    def _within_limits(self, cluster: Cluster, rows: Rows) -> np.ndarray:
        counted = rows.of(cluster)
        kept = np.ones(len(rows.rate_rps), bool)
        for name, limit in self.limits.items():
            kept &= getattr(counted, LIMITS[name]) <= limit * (1.0 + SLACK)
        return kept

    def to_toml(self) -> str:
        """The space as TOML, which `from_toml` reads."""
        given = (self.axes | self.limits).items()
        return "".join(f"{name} = {toml_value(value)}\n" for name, value in given)

    @classmethod
    def from_toml(cls, path: str | Path) -> DesignSpace:
        """The space that a TOML file describes.

        The file has the fields of this class. An axis is a list, a single value, or for numbers
        `{ start = 1, stop = 71, step = 1 }`, like Python's range without `stop` itself; `step` is
        1 by default.

        Raises:
            InputError: for a file that cannot be read, an unknown field or a bad value.
        """
        return cls.from_entry(read_file(Path(path)))

    @classmethod
    def from_entry(cls, entry: Entry) -> DesignSpace:
        """The space that one table of a file describes; see `from_toml`."""
        entry.get("design")  # raises where it is missing
        given = {each.name: values_of(entry, each.name) for each in fields(cls)}
        entry.refuse_unknown()
        try:
            return cls(**given)
        except InputError as problem:
            raise InputError(f"{entry.where}: {problem}") from problem


_PER_ROW = ("prompt", "token", "machines", "rate_rps")
"""Axes whose values vary within a kind of hardware, in the order of `Rows`."""


def _has(design: str, axis: str) -> bool:
    return AXES[axis].baseline if is_baseline(design) else AXES[axis].splitwise
