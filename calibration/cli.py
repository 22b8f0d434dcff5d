"""`splitmodel calibrate`: fit one's own measurements, or see how well fits predict."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from splitmodel.results import check_writable, complete_file
from splitmodel.specs.catalogue import machine as catalogue_machine
from splitmodel.specs.catalogue import transformer
from splitmodel_calibration.datasets.own_profile import own_profile
from splitmodel_calibration.datasets.splitwise import splitwise_profile
from splitmodel_calibration.evaluation.errors import in_sample_errors
from splitmodel_calibration.evaluation.splits import configurations_of
from splitmodel_calibration.fit.bootstrap import bootstrap
from splitmodel_calibration.fit.fit import fit
from splitmodel_calibration.fit.own import own_priors
from splitmodel_calibration.fit.priors import priors
from splitmodel_calibration.fit.problem import make_problem
from splitmodel_calibration.fit.uncertainty import uncertainty
from splitmodel_calibration.report import identifiability, show, statements
from splitmodel_calibration.write import write_calibration

app = App(name="splitmodel calibrate", help="Fit the model's parameters to measurements.")

_Flag = Annotated[bool, Parameter(negative="")]


@app.default
def calibrate(
    *,
    data: Path,
    machine: str,
    out: Path,
    solver: str = "lm",
    starts: int = 4,
    seed: int = 0,
    json: _Flag = False,
) -> None:
    """Fit measurements of one machine; `--calibration FILE` then uses them.

    The CSV file has one row per measured iteration, with the columns phase (prefill or decode),
    model, tensor_parallel, batch_size, tokens (of each prompt, or of each request's context) and
    time_s; pipeline_parallel is optional. Repeats are rows of their own. What few rows do not
    determine stays near the parameters that ship for this machine, or the one it is like, and is
    named.

    Args:
        data: The measurements.
        machine: Name in the catalogue, FILE.toml or FILE.toml#NAME.
        out: TOML file to write.
        solver: lm (Levenberg-Marquardt), adam or lbfgs.
        starts: Starts of the solver; most must agree.
        seed: Of the starts.
        json: Print JSON.
    """
    check_writable(out)
    server = catalogue_machine(machine)
    measured = own_profile(data, server)
    models = {name: transformer(name) for name in dict.fromkeys(measured.rows.model)}
    labels = {name: str(model.label.value) for name, model in models.items()}
    rows = measured.rows.assign(model=measured.rows.model.map(labels))
    problem = make_problem(
        rows, own_priors(server), machines=[server], models=list(models.values())
    )
    found = fit(problem, solver=solver, starts=starts, seed=seed, scans={}, progress=_terminal())
    sure = uncertainty(found)
    errors = in_sample_errors(found, rows)
    said = [*measured.notes, *statements(found, sure)]
    provenance = {
        "data": measured.source,
        "sha256": measured.sha256,
        "rows": len(rows),
        "notes": said,
        "mean_errors": errors,
    }
    write_calibration(out, found, sure, provenance)
    if json:
        table = identifiability(found, sure)
        columns = {name: table[name].values.tolist() for name in ("value", "sd", "prior_sd")}
        print(
            json_format.dumps(
                {"parameter": table.parameter.values.tolist(), **columns, **provenance}, indent=2
            )
        )
        return
    console = Console()
    show(console, found, sure)
    for note in measured.notes:
        console.print(f"· {note}", highlight=False)
    listed = ", ".join(f"{phase} {100 * error:.1f}%" for phase, error in errors.items())
    console.print(f"mean error: {listed}; written to {out}", highlight=False)


@app.command
def report(*, resampled: int = 50) -> None:
    """Parameters of the published profile: how sure they are, and what the data determine.

    Args:
        resampled: Fits to configurations drawn with replacement, beside the covariance.
    """
    profile = splitwise_profile()
    found = fit(make_problem(profile.rows, priors()), progress=_terminal())
    configuration = configurations_of(profile.rows)
    ensemble = bootstrap(found, configuration, resampled, progress=_terminal())
    console = Console(width=None if sys.stdout.isatty() else 120)
    show(console, found, uncertainty(found), ensemble)
    for note in profile.notes:
        console.print(f"· {note}", highlight=False)


@app.command
def held_out(*, out: Path | None = None, seed: int = 0) -> None:
    """Errors of fits to the published profile on configurations that were left out.

    In-sample, 5-fold, and one batch size, prompt size, tensor parallelism, model or GPU left out at
    a time, beside interpolation and scaling by data sheet, with the coverage of the 90% intervals.

    Args:
        out: Folder for held_out.csv and two figures.
        seed: Of the folds.
    """
    from splitmodel_calibration.evaluation.figures import coverage_figure, errors_figure
    from splitmodel_calibration.evaluation.held_out import predictions, summary

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        check_writable(out / "held_out.csv")
    predicted = predictions(seed, progress=_terminal())
    table = summary(predicted)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    if out is None:
        return
    with complete_file(out / "held_out.csv") as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.4f", lineterminator="\n")
    figures = {"errors": errors_figure(table), "coverage": coverage_figure(predicted)}
    for name, figure in figures.items():
        with complete_file(out / f"held_out_{name}.svg") as unfinished:
            figure.savefig(unfinished)


def _terminal() -> bool:
    return sys.stderr.isatty()
