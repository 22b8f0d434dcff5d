"""What a fit found, and how sure it is, in words and tables."""

from __future__ import annotations

import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

from splitmodel.units import unit_of
from splitmodel_calibration.fit.fit import Fit
from splitmodel_calibration.fit.uncertainty import Uncertainty

_STRONG = 0.8
"""Correlations above this are told."""


def identifiability(fit: Fit, found: Uncertainty, ensemble: np.ndarray | None = None) -> xr.Dataset:
    """Value, uncertainty and prior of every parameter, and all correlations.

    Args:
        fit: parameters at the optimum.
        found: their uncertainty.
        ensemble: logarithms of the parameters of resampled fits, as `bootstrap` gives them.

    Returns:
        Dataset over `parameter` (and `other`): `value`, `sd` and `prior_sd` of the logarithm,
        `determined` (1 where the data leave less than half of the prior's width), `correlation`;
        with an ensemble also `bootstrap_sd`, NaN for misfits.
    """
    names = list(found.keys)
    values = np.ones(len(names))
    values[: len(fit.log_parameters)] = np.exp(fit.log_parameters)
    resampled = {}
    if ensemble is not None:
        scatter = np.full(len(names), np.nan)
        scatter[: ensemble.shape[1]] = ensemble.std(axis=0)
        told = {"long_name": "standard deviation of the logarithm over resampled fits"}
        resampled["bootstrap_sd"] = ("parameter", scatter, told)
    return xr.Dataset(
        {
            **resampled,
            "value": ("parameter", values),
            "sd": ("parameter", found.sd, {"long_name": "standard deviation of the logarithm"}),
            "prior_sd": ("parameter", found.prior_sd, {"long_name": "the same without data"}),
            "determined": ("parameter", found.determined.astype(np.int8)),
            "correlation": (("parameter", "other"), found.correlation),
        },
        coords={"parameter": names, "other": names, "unit": ("parameter", [*map(unit_of, names)])},
        attrs={
            "loss": fit.loss,
            "converged": int(fit.converged),
            "starts": fit.starts,
            "starts_that_agree": fit.reached,
        },
    )


def statements(fit: Fit, found: Uncertainty) -> list[str]:
    """What a reader must know before relying on the fit."""
    said = []
    decode = np.asarray(fit.problem.rows.decode) > 0.0
    used = fit.weight > 0.0
    for phase, rows in (("prefill", used & ~decode), ("decode", used & decode)):
        said.append(
            f"{rows.sum()} {phase} configurations"
            if rows.any()
            else f"no {phase} rows: {phase} rests on the prior alone"
        )
    undetermined = [
        key for key, sure in zip(fit.problem.keys, found.determined, strict=False) if not sure
    ]
    if undetermined:
        said.append(
            "mostly prior, as these data do not determine them: "
            + ", ".join(key.split(".", 1)[1] for key in undetermined)
        )
    correlation = found.correlation
    for row, column in zip(*np.where(np.triu(np.abs(correlation), 1) > _STRONG), strict=True):
        said.append(
            f"{found.keys[row]} and {found.keys[column]} are told apart poorly: correlation "
            f"{correlation[row, column]:.2f}"
        )
    agreement = f"{fit.reached} of {fit.starts} starts agree, slope {fit.slope:.1e}"
    said.append(f"{'converged' if fit.converged else 'NOT CONVERGED'}: {agreement}")
    return said


def show(
    console: Console, fit: Fit, found: Uncertainty, ensemble: np.ndarray | None = None
) -> None:
    """Print parameters and statements; arguments as in `identifiability`."""
    told = identifiability(fit, found, ensemble)
    widths = {"±": "sd", "without data": "prior_sd"}
    if ensemble is not None:
        widths["resampled"] = "bootstrap_sd"
    table = Table("parameter", "value", "unit", *widths, box=None)
    for place, name in enumerate(told.parameter.values):
        one = told.isel(parameter=place)
        shares = (100.0 * one[width].item() for width in widths.values())
        cells = ("" if np.isnan(share) else f"{share:.2g}%" for share in shares)
        table.add_row(name, f"{one.value.item():.4g}", one.unit.item(), *cells)
    console.print(table)
    for line in statements(fit, found):
        console.print(f"· {line}", highlight=False)
