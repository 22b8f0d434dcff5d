"""A design space in, one labelled Dataset out."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import numpy as np
import xarray as xr

from splitmodel.cluster.metrics import Metrics
from splitmodel.errors import check_choice
from splitmodel.evaluate import Question, prepare
from splitmodel.iteration.timing import Timing
from splitmodel.results import dataset
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.hardware import Machine
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.sweep.axes import AXES, axis_attrs
from splitmodel.sweep.design_space import DesignSpace, Kind
from splitmodel.sweep.engine import run_rows
from splitmodel.units import Scalar


class _Chosen(eqx.Module):
    """The variables that are asked for; the compiler leaves out what only others need."""

    question: Question
    names: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, cluster: Cluster, load: Workload) -> dict[str, Scalar]:
        values = self.question(cluster, load)
        return {name: getattr(values, name) for name in self.names}


def sweep(
    space: DesignSpace,
    load: Workload,
    *,
    model: str | Transformer,
    slo: str | SLO | None = "splitwise",
    timing: str | Timing | None = None,
    semantics: str | Semantics = "physical",
    stack: str | None = None,
    reference: str | Machine | None = None,
    tier: str = "analytic",
    variables: Sequence[str] | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Metrics of every configuration of a design space.

    Args:
        space: the configurations; its axes take precedence over the rate of `load`.
        load: request sizes and arrival rate.
        model: name in the catalogue, a file (TOML or Hugging Face config.json) or a `Transformer`.
        slo: "splitwise" (the paper's nine limits), a TOML file, an `SLO` or None.
        timing: "roofline", "interpolated" or a `Timing`; by default that of the semantics.
        semantics: "physical" or "splitwise-sim".
        stack: serving stack, "splitwise-2023" or "graphs".
        reference: machine of the slowdowns' denominator; by default that of the SLO, DGX-A100.
        tier: "analytic".
        variables: names of the outputs that are wanted, by default all; `status` always comes
            with them.
        progress: show a bar.

    Returns:
        Dataset. With Splitwise designs only, or baselines only, and without limits it has one
        dimension per axis, named as the axis. Otherwise it has one dimension `config` with the
        axes as coordinates: `machines` is there the total, and what a design does not have is 0,
        empty or false. A configuration that cannot serve the load, be it for lack of memory, is
        not an error: its `status` tells.

    Raises:
        InputError: for an unknown name or a malformed value, before any work.
    """
    outputs = Metrics.__dataclass_fields__
    names = tuple(outputs if variables is None else dict.fromkeys([*variables, "status"]))
    for name in names:
        check_choice("variables", name, outputs)
    kinds = list(space.kinds(float(np.asarray(load.rate_rps))))
    groups = [kind.group for kind in kinds]
    question = prepare(
        [group.cluster for group in groups],
        model,
        slo,
        timing=timing,
        semantics=semantics,
        stack=stack,
        reference=reference,
        tier=tier,
        must_serve=False,
    )
    values = run_rows(_Chosen(question, names), load, groups, progress=progress)
    dims = tuple(space.axes) if space.is_product else ("config",)
    shape = [len(space.axes[name]) for name in dims] if space.is_product else [-1]
    coords = {name: _coordinate(name, space, kinds) for name in space.axes}
    coords.setdefault("rate_rps", xr.Variable((), load.rate_rps, axis_attrs("rate_rps")))
    return dataset(
        {
            name: values[name].reshape(*shape, *values[name].shape[1:])
            for name in names
            if name not in space.axes  # the axis `machines` is the output of that name
        },
        dims,
        coords,
        {"space": space.to_toml(), "workload": str(load.label.value), **question.provenance},
    )


def _coordinate(name: str, space: DesignSpace, kinds: Sequence[Kind]) -> xr.Variable:
    """Values of an axis: once each in a product, else of every configuration."""
    if space.is_product:
        return xr.Variable(name, np.array(space.axes[name]), axis_attrs(name))
    columns = []
    for labels, (_, rows) in kinds:
        counts = {"prompt": rows.prompt, "token": rows.token, "machines": rows.machines}
        if name == "rate_rps":
            columns.append(rows.rate_rps)
        elif name in counts:
            columns.append(counts[name].astype(int))
        else:
            label = labels.get(name, AXES[name].absent)
            columns.append(np.full(len(rows.rate_rps), label))
    return xr.Variable("config", np.concatenate(columns), axis_attrs(name))
