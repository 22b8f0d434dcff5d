"""The configurations to be swept: a product of axes, less what exceeds a limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from splitmodel.errors import InputError, check_choice, check_range
from splitmodel.specs.design import is_baseline
from splitmodel.specs.entry import Entry
from splitmodel.specs.files import read_file
from splitmodel.specs.host_only import HostOnly
from splitmodel.specs.workload import Workload
from splitmodel.sweep.axes import AXES, axis_values
from splitmodel.sweep.counting import counts
from splitmodel.sweep.expression import Expression
from splitmodel.sweep.generate import CONSTRAINED, LIMITS
from splitmodel.sweep.kinds import Axes, hardware, has, kinds_of
from splitmodel.sweep.lattice import Kind, Lattice, block_rows
from splitmodel.sweep.mixes import mix
from splitmodel.sweep.toml import toml_value, values_of


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
    prompt_power_cap: Any = None
    """Caps of the prompt pool alone; not for baselines."""
    token_power_cap: Any = None
    """Caps of the token pool alone; not for baselines."""
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
    max_batch_tokens: Any = None
    """Prompt tokens batched in one iteration at most."""
    max_batch_size: Any = None
    """Requests in one iteration at most."""
    max_pending_tokens: Any = None
    """Prompt tokens queued at a machine beyond which a prompt goes to the other pool; not for
    baselines."""
    workload: Any = None
    """Request sizes: "conv", "code", a CSV file, or shares of several as "0.7 conv + 0.3 code". By
    default those of the sweep's workload."""
    zipped: Any = None
    """Lists of axes that vary together, the first value of each with the first of the others,
    instead of in all combinations: [["prompt", "token"]]."""
    constraints: Any = None
    """Conditions, all of which must hold, over counts, `rate_rps`, `cost_usd_per_hour` and
    `power_provisioned_w`: "token <= 2 * prompt". Their syntax is that of `Expression`."""
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
        object.__setattr__(self, "zipped", _zipped(self.zipped, self.axes))
        constraints = _texts("constraints", self.constraints)
        object.__setattr__(self, "constraints", constraints)
        for text in constraints:
            Expression.of("constraints", text, CONSTRAINED)
        self._check_axes_apply()
        self._check_not_empty()

    def _check_axes_apply(self) -> None:
        for design in self.design:
            for name in ("machines",) if is_baseline(design) else ("prompt", "token"):
                if name not in self.axes:
                    raise InputError(f"{name}: missing; design {design} needs it")
        for name in self.axes:
            if not any(has(design, name) for design in self.design):
                raise InputError(f"{name}: none of the designs {', '.join(self.design)} has it")

    def _check_not_empty(self) -> None:
        for design in self.design:
            hardware({"design": design})  # raises where there is no such design
        if next(self._every_kind(None), None) is None:
            raise InputError(
                f"{next(iter(self.limits))}: no configuration is within the limits; the smallest "
                "clusters of the space exceed them"
            )
        if self.constraints and not any(counts(self.lattice(None), *self.leaves_out)):
            raise InputError(f"constraints: no configuration fulfils {list(self.constraints)}")

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """Values by axis, for those that were given, in the order of a result's dimensions."""
        return {name: getattr(self, name) for name in AXES if getattr(self, name) is not None}

    @property
    def limits(self) -> dict[str, float]:
        """Limits that were given."""
        return {name: getattr(self, name) for name in LIMITS if getattr(self, name) is not None}

    @property
    def leaves_out(self) -> tuple[np.ndarray, tuple[Expression, ...]]:
        """Bounds in the order of LIMITS, infinite for none, and the constraints."""
        bounds = np.array([self.limits.get(name, np.inf) for name in LIMITS])
        return bounds, tuple(Expression("constraints", text) for text in self.constraints)

    @property
    def is_product(self) -> bool:
        """Whether the configurations are all combinations of the axes."""
        alike = len({is_baseline(design) for design in self.design}) == 1
        return alike and not (self.limits or self.constraints or self.zipped)

    def __len__(self) -> int:
        """Number of configurations; where something limits them, they are counted one by one."""
        if not (self.limits or self.constraints):
            return sum(kind.size for kind in self.kinds(None))
        return sum(counts(self.lattice(None), *self.leaves_out))

    def kinds(self, load: Workload | None) -> list[Kind]:
        """Kinds of hardware in the order of the axes; without a load they can only be counted.

        Raises:
            InputError: if there are too many, or a workload is not to be had.
        """
        return list(self._every_kind(load))

    def _every_kind(self, load: Workload | None) -> Iterator[Kind]:
        rate_rps = 1.0 if load is None else float(np.asarray(load.rate_rps))

        @cache
        def load_of(name: str | None) -> Any:
            if load is None:
                return 0.0
            chosen = load if name is None else mix(name, rate_rps)
            # The requests themselves would only weigh a message to another process down.
            return replace(chosen, source=HostOnly(None))

        return kinds_of(self.axes, self.zipped, self.limits, rate_rps, load_of)

    def lattice(self, load: Workload | None) -> Lattice:
        """The configurations by number, limits and constraints left aside; see `kinds`."""
        return Lattice(self.kinds(load), block_rows())

    def to_toml(self) -> str:
        """The space as TOML, which `from_toml` reads."""
        lists = {name: getattr(self, name) for name in ("zipped", "constraints")}
        given = self.axes | {name: each for name, each in lists.items() if each} | self.limits
        return "".join(f"{name} = {toml_value(value)}\n" for name, value in given.items())

    @classmethod
    def from_toml(cls, path: str | Path) -> DesignSpace:
        """The space that a TOML file describes.

        The file has the fields of this class. An axis is a list, a single value, or for numbers a
        range: `{ start = 1, stop = 71, step = 1 }`, like Python's without `stop` itself, where
        `step` is 1 by default; or `{ from = 1.0, to = 100.0, points = 50 }` with both ends, evenly
        spaced or with `spacing = "log"`.

        Raises:
            InputError: for a file that cannot be read, an unknown field or a bad value.
        """
        return cls.from_entry(read_file(Path(path)))

    @classmethod
    def from_entry(cls, entry: Entry) -> DesignSpace:
        """The space that one table of a file describes; see `from_toml`.

        A single `workload` is the sweep's own, and no axis.
        """
        entry.get("design")  # raises where it is missing
        given = {each.name: values_of(entry, each.name) for each in fields(cls)}
        if isinstance(given["workload"], str):
            given["workload"] = None
        entry.refuse_unknown()
        try:
            return cls(**given)
        except InputError as problem:
            raise InputError(f"{entry.where}: {problem}") from problem


def _texts(field: str, given: Any) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else list(given or ())
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"{field}: {text!r} is not a text")
    return tuple(texts)


def _zipped(given: Any, axes: Axes) -> tuple[tuple[str, ...], ...]:
    groups = tuple(_texts("zipped", group) for group in given or ())
    names = [name for group in groups for name in group]
    for name in names:
        if check_choice("zipped", name, AXES) not in axes:
            raise InputError(f"zipped: {name} has no values; give it some")
        if names.count(name) > 1:
            raise InputError(f"zipped: {name!r} is given more than once")
    for group in groups:
        lengths = {name: len(axes[name]) for name in group}
        if len(group) < 2 or len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise InputError(f"zipped: needs two or more axes with equally many values; {told}")
    return groups
