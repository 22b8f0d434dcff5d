"""`splitmodel validate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import xarray as xr
from cyclopts import Parameter
from rich.table import Table

from splitmodel.cli.options import Flag
from splitmodel.cli.show import plain, print_json, show, table
from splitmodel.errors import InputError, check_range
from splitmodel.plotting import check_figure, save_figure
from splitmodel.results import check_writable
from splitmodel.validation.compare import compare, error_table, rate_table
from splitmodel.validation.figures import plot_errors, plot_highest_rates
from splitmodel.validation.oracle import read, simulate_space


def validate_command(
    *,
    out: Path | None = None,
    simulated: Path | None = None,
    clusters: int = 500,
    seed: int = 0,
    seeds: int = 8,
    duration_s: Annotated[float, Parameter(name=("--duration", "--duration-s"))] = 600.0,
    errors_figure: Path | None = None,
    rates_figure: Path | None = None,
    json: Flag = False,
) -> None:
    r"""Errors of the analytic tier against simulations of a designed space of clusters.

    Simulates the six designs of 1 to 100 machines under both semantics, for both models and several
    workloads, at their highest rates and at loads below them, then compares. With --simulated it
    only compares, in less than a minute.

    Args:
        out: CSV file for the simulations. One that is there already is continued.
        simulated: Such a file, to be compared with.
        clusters: How many clusters to simulate.
        seed: Of the space; its first clusters are the same however many are asked for.
        seeds: Runs under each load.
        duration_s: Duration of a run [s]; small clusters run until they have seen 10,000 requests.
        errors_figure: File for a figure of the errors by band of load.
        rates_figure: File for a figure of the highest rates.
        json: Print JSON.

    Examples:
        ::

            splitmodel validate --clusters 500 --seeds 8 --duration 600 --out simulated.csv
            splitmodel validate --simulated simulated.csv --errors-figure errors.png
    """
    if (out is None) == (simulated is None):
        raise InputError("out: give either it, to simulate, or --simulated, a file that is there")
    figures = [(errors_figure, plot_errors), (rates_figure, plot_highest_rates)]
    for path, _ in figures:
        if path is not None:
            check_figure(path)
    if out is not None:
        check_writable(out)
        for name, value, low in (("clusters", clusters, 1.0), ("seeds", seeds, 2.0)):
            check_range(name, value, low=low, open_low=False)
        check_range("seed", seed, open_low=False)
        check_range("duration", duration_s)
        simulate_space(
            out,
            clusters=clusters,
            seed=seed,
            seeds=seeds,
            duration_s=duration_s,
            progress=sys.stderr.isatty(),
        )
    compared = compare(read(out or simulated or Path()))
    errors, rates = error_table(compared), rate_table(compared)
    if json:
        print_json({"errors": plain(errors), "highest_rates": plain(rates)})
    else:
        show(*(_percent(errors.sel(semantics=name)) for name in errors["semantics"].values))
        columns = {str(name): rates[name].values.tolist() for name in rates}
        rows = [[name, *values] for name, values in columns.items()]
        show(table("Highest rates", ["", *rates["semantics"].values], rows))
    for path, plot in figures:
        if path is not None:
            save_figure(plot(compared), path)


def _percent(errors: xr.Dataset) -> Table:
    """Median and P90 of the errors' sizes [%], a column for each band of load."""
    bands = errors["band"].values
    rows = [
        [
            f"{metric} P{percentile}",
            *(
                f"{100.0 * float(cell['median']):.1f} {100.0 * float(cell['p90']):.1f}"
                for band in bands
                for cell in [errors.sel(metric=metric, percentile=percentile, band=band)]
            ),
        ]
        for metric in errors["metric"].values
        for percentile in errors["percentile"].values
    ]
    title = f"{errors['semantics'].item()}: median and P90 of errors (%) by load"
    return table(title, ["", *bands], rows)
