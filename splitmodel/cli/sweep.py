"""`splitmodel sweep`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from splitmodel.cli.options import Flag, QuestionOptions, SizesOptions
from splitmodel.cli.show import print_json, show, table
from splitmodel.codes import Status
from splitmodel.errors import InputError
from splitmodel.results import check_writable, save
from splitmodel.specs.files import read_file
from splitmodel.sweep.design_space import DesignSpace
from splitmodel.sweep.run import sweep

EXAMPLE = """\
# What is asked: options of `splitmodel evaluate`, with "_" for "-".
model = "bloom-176b"
workload = "conv"
slo = "splitwise"
semantics = "physical"

# The space: every combination of these, of all designs of the same power. A value, a list, or for
# numbers a range without `stop` itself. Further axes: power_cap, tensor_parallel,
# pipeline_parallel, batching, kv_transfer, mixed_pool; further limits: max_usd_per_hour,
# max_machines.
design = ["AA", "HH", "HA", "HHcap", "baseline-A100", "baseline-H100"]
prompt = { start = 5, stop = 71, step = 5 }
token = { start = 5, stop = 71, step = 5 }
machines = { start = 5, stop = 71, step = 5 }
rate_rps = [20.0, 40.0, 60.0, 80.0]
max_power_w = 408e3
"""


def sweep_command(
    spec: Annotated[Path | None, Parameter(name="SPEC")] = None,
    /,
    *,
    out: Path | None = None,
    example: Flag = False,
    json: Flag = False,
) -> None:
    """Every metric of every configuration of a design space, as a NetCDF file.

    Args:
        spec: TOML file with the model, the workload and the axes of the space; see --example.
        out: File for the results.
        example: Print an example of SPEC.
        json: Print the summary as JSON.

    Examples:
        ::

            splitmodel sweep --example > spec.toml
            splitmodel sweep spec.toml --out sweep.nc
    """
    if example:
        print(EXAMPLE, end="")
        return
    if spec is None or out is None:
        name, hint = ("SPEC", "--example prints one") if spec is None else ("out", "--out FILE")
        raise InputError(f"{name}: missing; {hint}")
    top = read_file(spec)
    question = QuestionOptions.from_entry(top)
    sizes = SizesOptions(workload=top.text("workload"), independent=top.flag("independent", False))
    space = DesignSpace.from_entry(top)
    check_writable(out)
    # The axis replaces the rate of the workload, which may then be any.
    load = sizes.build(1.0 if space.rate_rps else None)
    result = sweep(space, load, progress=sys.stderr.isatty(), **question.arguments())
    save(result, out)
    status = result["status"].values
    summary = {
        "file": str(out),
        "configurations": status.size,
        **{f"status_{each.name.lower()}": int(np.sum(status == each)) for each in Status},
        "slo_met": int(result["slo_met"].sum()),
    }
    if json:
        print_json(summary)
    else:
        show(table("Sweep", ["result", "value"], summary.items()))
