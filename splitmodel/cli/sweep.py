"""`splitmodel sweep`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import xarray as xr
from cyclopts import Parameter

from splitmodel.cli.options import Flag, QuestionOptions, SizesOptions
from splitmodel.cli.show import print_json, show, table
from splitmodel.errors import InputError
from splitmodel.results import check_writable, save
from splitmodel.specs.files import read_file
from splitmodel.sweep.design_space import DesignSpace
from splitmodel.sweep.from_toml import reductions_of, variables_of
from splitmodel.sweep.run import sweep

EXAMPLE = """\
# What is asked: options of `splitmodel evaluate`, with "_" for "-".
model = "bloom-176b"
workload = "conv"
slo = "splitwise"
semantics = "physical"

# The space: every combination of these, of all designs of the same power. An axis is a value, a
# list, or for numbers a range without `stop` itself, or with both ends as
# { from = 10.0, to = 100.0, points = 10, spacing = "log" }.
design = ["AA", "HH", "HA", "HHcap", "baseline-A100", "baseline-H100"]
prompt = { start = 5, stop = 71, step = 5 }
token = { start = 5, stop = 71, step = 5 }
machines = { start = 5, stop = 71, step = 5 }
rate_rps = [20.0, 40.0, 60.0, 80.0]
max_power_w = 408e3
# Designs of any machines: "DGX-H200+DGX-A100". Further axes: power_cap, prompt_power_cap,
# token_power_cap, tensor_parallel, pipeline_parallel, batching, kv_transfer, mixed_pool,
# max_batch_tokens, max_batch_size, max_pending_tokens. Further limits: max_usd_per_hour,
# max_machines. Instead of the one workload above several, also mixed:
# workload = ["conv", "0.7 conv + 0.3 code"]
# Conditions that all configurations must fulfil:
# constraints = ["token <= 2 * prompt"]
# Axes that vary together rather than in all combinations:
# zipped = [["prompt", "token"]]

# Without what follows, the result is every metric of every configuration, or with
# variables = ["ttft_s", "slo_met"]
# only these. Each table below tells something instead, in little memory however large the space.
# [reduce.cheapest]
# top = 10
# by = "cost_usd_per_hour / throughput_rps"
# where = "slo_met and ttft_s[99] < 2"
# [reduce.front]
# minimise = ["power_provisioned_w", "ttft_s[90]"]
# maximise = ["throughput_rps"]
# [reduce.spread]
# histogram = "load_fraction"
# edges = [0.0, 0.5, 0.8, 1.0]
# [reduce.feasible]
# count = "slo_met"
"""


def sweep_command(
    spec: Annotated[Path | None, Parameter(name="SPEC")] = None,
    /,
    *,
    out: Path | None = None,
    store: Path | None = None,
    resume: Flag = False,
    dask: str | None = None,
    example: Flag = False,
    json: Flag = False,
) -> None:
    """Every metric of every configuration of a design space, or what matters of them.

    Results go to a NetCDF file (--out), or the table of all configurations to a Zarr store
    (--store). Ctrl-C ends a sweep with a store so that --resume can go on with it.

    Args:
        spec: TOML file with the model, the workload, the axes of the space and what to tell of it;
            see --example.
        out: File for the results.
        store: Folder that keeps finished parts. Without reductions it holds the table in Zarr
            format, which may be larger than memory.
        resume: Go on with the same sweep in an existing store.
        dask: Address of a Dask scheduler whose workers do the work, such as tcp://host:8786.
        example: Print an example of SPEC.
        json: Print the summary as JSON.

    Examples:
        ::

            splitmodel sweep --example > spec.toml
            splitmodel sweep spec.toml --out sweep.nc
            splitmodel sweep spec.toml --store sweep.zarr --resume
    """
    if example:
        print(EXAMPLE, end="")
        return
    if spec is None or (out is None and store is None):
        name, hint = ("SPEC", "--example prints one") if spec is None else ("out", "--out FILE")
        raise InputError(f"{name}: missing; {hint}")
    top = read_file(spec)
    question = QuestionOptions.from_entry(top)
    mixed = isinstance(top.get("workload"), list)  # then it is an axis, for which any will do
    independent = top.flag("independent", False)
    if mixed and independent:
        raise InputError("independent: a list of workloads cannot have it; give one workload")
    sizes = SizesOptions(
        workload="conv" if mixed else top.text("workload"), independent=independent
    )
    reduce, variables = reductions_of(top), variables_of(top)
    space = DesignSpace.from_entry(top)
    if out is not None:
        check_writable(out)
    # The axis replaces the rate of the workload, which may then be any.
    load = sizes.build(1.0 if space.rate_rps else None)
    options: dict[str, Any] = {"reduce": reduce, "variables": variables}
    # Without a terminal there is nobody to look at a bar.
    progress = True if sys.stderr.isatty() else not json and print
    options |= {"store": store, "resume": resume, "progress": progress}
    try:
        result = _swept(dask, space, load, **options, **question.arguments())
    except KeyboardInterrupt:
        hint = "; --resume goes on with it" if store else "; with --store it could be resumed"
        raise SystemExit(f"splitmodel: interrupted{hint}") from None
    if out is not None:
        save(result, out)
    _summarise(result, out or store, json)


def _swept(dask: str | None, *args: Any, **options: Any) -> xr.Dataset | xr.DataTree:
    if dask is None:
        return sweep(*args, **options)
    try:
        from distributed import Client
    except ImportError as problem:
        raise InputError(
            'dask: is not installed; pip install "splitmodel[distributed]"'
        ) from problem
    try:
        client = Client(dask, timeout="10s")
    except (OSError, ValueError) as problem:
        raise InputError(f"dask: no scheduler at {dask}: {problem}") from problem
    with client:
        return sweep(*args, client=client, **options)


def _summarise(result: xr.Dataset | xr.DataTree, file: Path | None, json: bool) -> None:
    counts = {name: each for name, each in result.attrs.items() if isinstance(each, int)}
    summary = {"file": str(file), **counts}
    if isinstance(result, xr.Dataset) and "slo_met" in result:
        summary["slo_met"] = int(result["slo_met"].sum())
    if json:
        print_json(summary)
    else:
        show(table("Sweep", ["result", "value"], summary.items()))
