"""`splitmodel provision`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import xarray as xr
from cyclopts import Parameter

from splitmodel.cli.options import (
    NO_OPTION,
    Flag,
    QuestionOptions,
    SimulationOptions,
    SizesOptions,
)
from splitmodel.cli.show import plain, print_json, show_ranking
from splitmodel.plotting import check_figure, plot_design_space, save_figure
from splitmodel.provision.compare import compare_semantics
from splitmodel.provision.provision import provision
from splitmodel.results import check_writable, save
from splitmodel.specs.design import DESIGN_NAMES

MAP_POINTS = 11
"""Points along each axis of a figure; their square is just less than `candidate.CHUNK`."""


def provision_command(
    *,
    sizes: SizesOptions,
    rate: Annotated[float | None, Parameter(group="Workload")] = None,
    minimise: str | None = None,
    margin: float | None = None,
    maximise: str | None = None,
    budget_power_w: float | None = None,
    budget_usd_per_hour: float | None = None,
    budget_machines: float | None = None,
    designs: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    compare: Annotated[bool, Parameter(name="--compare-semantics", negative="")] = False,
    question: QuestionOptions,
    confirm: Annotated[int, Parameter(group="Simulation")] = 0,
    simulation: SimulationOptions = NO_OPTION,
    out: Path | None = None,
    figure: Path | None = None,
    json: Flag = False,
) -> None:
    r"""Best cluster of each design, ranked.

    Either the least cost, power or machines that meet all limits at a rate; or the highest rate
    within budgets. Designs that cannot meet the limits are left out, and `infeasible` says why.

    Args:
        sizes: The requests.
        rate: Arrival rate to be met [requests/s]. Without it, that of the arrivals in the CSV
            file. Of no account where the rate is maximised.
        minimise: cost, power or machines.
        margin: Share of the rate by which clusters have to be able to do more, for the error of
            the analytic tier. [default: 0.05, or none with --confirm]
        maximise: rate, within at least one budget.
        budget_power_w: Provisioned power at most [W].
        budget_usd_per_hour: Cost at most [$/h].
        budget_machines: Machines at most.
        designs: As --design of `splitmodel evaluate`. [default: the six of the paper]
        compare: Answer under every semantics, side by side.
        question: The model and what is asked about it.
        confirm: Simulate that many of the best clusters, and rank these by what is found.
        simulation: With --confirm, how requests arrive and how many runs there are. By default 8
            runs, or 4 at every rate where the rate is maximised, of 600 s, or as long as 10,000
            requests take, of which those that arrive between 0.25 and 0.9 of the time count.
        out: NetCDF file for all metrics of the clusters shown; a group for each of several
            semantics.
        figure: File for a figure of the design space, such as space.png: the highest rate over
            prompt and token machines, the budgets and the best split.
        json: Print JSON: the names of the Python API, by rank.

    Examples:
        ::

            splitmodel provision --model bloom-176b --workload conv --rate 70 --minimise cost
            splitmodel provision --model bloom-176b --workload conv \
                --maximise rate --budget-power-w 408e3 --compare-semantics \
                --out best.nc --figure space.png
            splitmodel provision --model bloom-176b --workload conv --rate 70 --minimise cost \
                --confirm 5
            splitmodel provision --model llama3-70b --workload code --rate 20 --minimise power \
                --designs HH DGX-H200+DGX-H100 baseline-DGX-H200
    """
    if out is not None:
        check_writable(out)
    if figure is not None:
        check_figure(figure)
    load = sizes.build(rate if maximise is None else 1.0)
    asked = question.arguments() | {
        "minimise": minimise,
        "margin": margin,
        "maximise": maximise,
        "budget_power_w": budget_power_w,
        "budget_usd_per_hour": budget_usd_per_hour,
        "budget_machines": budget_machines,
        "designs": designs or DESIGN_NAMES,
        "map_points": 0 if figure is None else MAP_POINTS,
        "confirm": confirm,
        "progress": sys.stderr.isatty(),
        **simulation.given(),
    }
    if compare:
        del asked["semantics"]
        result = compare_semantics(load, **asked)
    else:
        result = provision(load, **asked)
    ranks = _without_map(result)
    if json:
        print_json(plain(ranks))
    else:
        show_ranking(ranks)
    if out is not None:
        save(result, out)
    if figure is not None:
        save_figure(plot_design_space(result), figure)


def _without_map(result: xr.Dataset | xr.DataTree) -> Any:
    """The ranks alone; the map is for the figure and the file."""
    if isinstance(result, xr.DataTree):
        return result.map_over_datasets(_without_map)
    return result.drop_dims([dim for dim in result.dims if str(dim).startswith("map_")])
