"""A design space in, labelled results out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splitmodel.cluster.metrics import Metrics
from splitmodel.errors import InputError, check_choice
from splitmodel.evaluate import prepare
from splitmodel.iteration.timing import Timing
from splitmodel.specs.hardware import Machine
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.sweep.atlas import Atlas
from splitmodel.sweep.chosen import Chosen
from splitmodel.sweep.compute import FATES, RESULT, compute
from splitmodel.sweep.design_space import DesignSpace
from splitmodel.sweep.generate import AXES_OF_ROWS
from splitmodel.sweep.job import Job
from splitmodel.sweep.lattice import Lattice, block_rows
from splitmodel.sweep.reduction import Reduction
from splitmodel.sweep.table import LARGEST, Table
from splitmodel.sweep.tallies import Fates


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
    reduce: Any = None,
    store: str | Path | None = None,
    resume: bool = False,
    client: Any = None,
    progress: bool | Callable[[str], None] = False,
) -> Any:
    """Metrics of every configuration of a design space, or what reductions tell of them.

    All devices of this process take part, and with `jax.distributed` those of all processes, which
    then call it alike and get the same result.

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
        variables: names of the outputs that are wanted, by default all, or with `reduce` those that
            it needs; `status` always comes with them.
        reduce: what to tell instead of all configurations, in little memory however many there
            are: `TopK`, `Pareto`, `Histogram`, `Count`; or several by name.
        store: folder that keeps finished parts, so that the sweep can be resumed. Without `reduce`
            it holds the table in Zarr format, so that this may be larger than memory.
        resume: go on with what a store of the same sweep holds.
        client: `distributed.Client` of a Dask cluster that does the work.
        progress: print size and estimated time, and show a bar; or a function to which these two
            are given as lines.

    Returns:
        Dataset. With Splitwise designs only, or baselines only, and with neither limits, zipped
        axes nor `store`, a table has one dimension per axis, named as the axis. Otherwise it has
        one dimension `config` with the axes as coordinates: `machines` is there the total, and what
        a design does not have is 0, empty or false. A configuration that cannot serve the load, be
        it for lack of memory, is not an error: its `status` tells. The attributes count
        configurations by status. With several reductions it is a DataTree of their Datasets.

    Raises:
        InputError: for an unknown name or a malformed value, before any work; for a store of
            another sweep, or one that cannot be written.
    """
    outputs = Metrics.__dataclass_fields__
    reductions = dict(reduce) if isinstance(reduce, Mapping) else {RESULT: reduce or Table()}
    needed = {
        name
        for field, each in reductions.items()
        for name in _checked(field, each).names(f"reduce: {field}", {*outputs, *AXES_OF_ROWS})
    }
    asked = outputs if variables is None and reduce is None else variables or ()
    for name in asked:
        check_choice("variables", name, outputs)
    names = tuple(dict.fromkeys([*asked, *sorted(needed & outputs.keys()), "status"]))
    kinds = space.kinds(load)
    question = prepare(
        [kind.cluster for kind in kinds],
        model,
        slo,
        timing=timing,
        semantics=semantics,
        stack=stack,
        reference=reference,
        tier=tier,
        must_serve=False,
    )
    lattice = Lattice(kinds, block_rows())
    if reduce is None and store is None and lattice.size > LARGEST:
        raise InputError(
            f"space: {lattice.size:,} configurations; a table in memory has at most {LARGEST:,}; "
            "give reduce=, or store= for a table on disk"
        )
    chosen = Chosen(question, names)
    job = Job(chosen, names, lattice, *space.leaves_out, {FATES: Fates(), **reductions})
    sizes = ", ".join(space.workload or [str(load.label.value)])
    atlas = Atlas(
        lattice,
        space.axes,
        tuple(kind.labels for kind in kinds),
        space.is_product,
        float(np.asarray(load.rate_rps)),
        {"space": space.to_toml(), "workload": sizes, **question.provenance},
    )
    return compute(job, atlas, store=store, resume=resume, client=client, progress=progress)


def _checked(field: str, reduction: Any) -> Reduction:
    if not field.isidentifier():
        raise InputError(f"reduce: {field!r} cannot be a name; use letters, digits and _")
    if not isinstance(reduction, Reduction):
        raise InputError(
            f"reduce: {field}: {reduction!r} is no reduction; give TopK, Pareto, Histogram or Count"
        )
    return reduction
