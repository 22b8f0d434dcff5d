"""`splitmodel study`: repeat published results, and see how near we come."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import xarray as xr
from cyclopts import App, Parameter
from tqdm import tqdm

from splitmodel.cli.options import Flag
from splitmodel.cli.show import plain, print_json, show, table
from splitmodel.errors import InputError
from splitmodel.simulate.run import cores
from splitmodel_studies.overview import write_overview
from splitmodel_studies.page import allowed, filled
from splitmodel_studies.store import result_of
from splitmodel_studies.study import Study, study, study_names

app = App(name="splitmodel study", help="Repeat published results and check them.")


@app.default
def study_command(
    *names: Annotated[str, Parameter(name="NAME")],
    all: Flag = False,
    out: Path | None = None,
    stale: Flag = False,
    json: Flag = False,
) -> None:
    """Repeat published results, beside what was published.

    A verdict is pass, fail, or expected fail where the study explains why the result cannot be
    reproduced.

    Args:
        names: Studies, as `splitmodel list studies` gives them.
        all: Every study.
        out: Folder for results, figures and pages.
        stale: Only compute what is not in --out yet, or is there from other code.
        json: Print JSON.
    """
    if bool(names) == all:
        raise InputError("study: give names, of `splitmodel list studies`, or --all")
    if stale and out is None:
        raise InputError("stale: needs --out, the folder to look in")
    chosen = [study(name) for name in (study_names() if all else dict.fromkeys(names))]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    # Compilation takes much of the time and one core each; simulations let go of the interpreter.
    with ThreadPoolExecutor(cores()) as threads:
        computed = threads.map(lambda each: result_of(each, out, again=not stale), chosen)
        shown = tqdm(computed, total=len(chosen), unit="study", disable=not sys.stderr.isatty())
        results = dict(zip(chosen, shown, strict=True))
    if out is not None:
        write_overview(out)
    if json:
        print_json({each.name: _plain(each, result) for each, result in results.items()})
    else:
        for each, result in results.items():
            show(_table(each, result))


def _plain(study: Study, result: xr.Dataset) -> dict[str, Any]:
    """Claims, numbers and verdicts as data."""
    claims = study.claims
    return {
        "title": claims.title,
        "source": claims.source,
        "claims": {
            claim.name: {
                "says": claim.says,
                "published": claim.published,
                "unit": claim.unit,
                "allowed": dict(zip(("low", "high"), map(plain, claim.limits), strict=True)),
                "ours": plain(claim.value(result)),
                "route": claim.route,
                "verdict": claim.verdict(result),
                "reason": filled(claim.fails, claims.claims, result),
                **({"routes": plain(result[claim.name])} if claim.route else {}),
            }
            for claim in claims.claims
        },
    }


def _table(study: Study, result: xr.Dataset) -> Any:
    rows = [
        [
            claim.says,
            float(claim.published),
            claim.value(result),
            claim.unit,
            allowed(claim),
            claim.verdict(result),
        ]
        for claim in study.claims.claims
    ]
    header = ["claim", "published", "ours", "unit", "allowed", "verdict"]
    return table(f"{study.name}: {study.claims.title}", header, rows)
