"""`splitmodel evaluate`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import xarray as xr
from cyclopts import Parameter

from splitmodel.cli.options import (
    NO_OPTION,
    ClusterOptions,
    Flag,
    QuestionOptions,
    SimulationOptions,
    SizesOptions,
)
from splitmodel.cli.show import plain, print_json, show_configuration
from splitmodel.evaluate import evaluate
from splitmodel.results import check_writable, complete_file


def evaluate_command(
    *,
    cluster: ClusterOptions,
    sizes: SizesOptions,
    rate: Annotated[float | None, Parameter(group="Workload")] = None,
    question: QuestionOptions,
    calibration: Annotated[Path | None, Parameter(group="Model and limits")] = None,
    interval: Annotated[float | None, Parameter(group="Model and limits")] = None,
    simulation: SimulationOptions = NO_OPTION,
    per_request: Annotated[Path | None, Parameter(group="Simulation")] = None,
    timeline: Annotated[Path | None, Parameter(group="Simulation")] = None,
    json: Flag = False,
) -> None:
    r"""Every metric of one cluster under one load.

    A status of 0 (ok) means that the cluster serves the load. With any other (1 unstable, 2 out of
    memory, 3 no profile) its latencies are infinite.

    Args:
        cluster: The machines and what they do.
        sizes: The requests.
        rate: Arrival rate [requests/s]. Without it, that of the arrivals in the CSV file.
        question: The model and what is asked about it.
        calibration: Parameters of your own, as `splitmodel calibrate` writes them; they bring the
            host time of their stack.
        interval: Probability of an interval of every metric, such as 0.9, for what the parameters
            leave open; with --tier simulate for the requests that its --seeds draw.
        simulation: With --tier simulate, how requests arrive and how many runs there are.
        per_request: With --tier simulate, CSV file for every request, in the order of arrival.
        timeline: With --tier simulate, CSV file for every iteration of every server.
        json: Print JSON: the names of the Python API, null for infinite and undefined numbers.

    Examples:
        ::

            splitmodel evaluate --design HA --prompt 25 --token 26 \
                --workload conv --rate 70 --model bloom-176b
            splitmodel evaluate --design baseline-A100 --machines 70 \
                --workload code --rate 40 --model llama2-70b --semantics splitwise-sim
            splitmodel evaluate --design DGX-H200+mine.toml#B200 --prompt 8 --token 9 \
                --workload requests.csv --rate 5 --model config.json --json
            splitmodel evaluate --design HH --prompt 25 --token 15 --tier simulate \
                --workload trace.csv --model bloom-176b --per-request out.csv
    """
    files = {"request": per_request, "iteration": timeline}
    for path in files.values():
        if path is not None:
            check_writable(path)
    result = evaluate(
        cluster.build(),
        sizes.build(rate),
        calibration=calibration,
        interval=interval,
        per_request=per_request is not None,
        timeline=timeline is not None,
        **simulation.given(),
        **question.arguments(),
    )
    for dim, path in files.items():
        if path is not None:
            _save_table(result, dim, path)
            result = result.drop_dims(dim)
    if json:
        print_json(plain(result))
    else:
        show_configuration(result)


def _save_table(result: xr.Dataset, dim: str, path: Path) -> None:
    """Write the variables along a dimension as columns of a CSV file."""
    columns = {name: array for name, array in result.data_vars.items() if array.dims == (dim,)}
    with complete_file(path) as unfinished, unfinished.open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(str(name).removeprefix(f"{dim}_") for name in columns)
        table.writerows(zip(*(array.values.tolist() for array in columns.values()), strict=True))
