"""Errors of the analytic tier against simulations, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from splitmodel.provision.asked import Asked
from splitmodel.provision.candidate import Candidate
from splitmodel.provision.highest import highest_rates
from splitmodel.validation.clusters import BANDS
from splitmodel.validation.oracle import COMPARED, Measured
from splitmodel.variables import PERCENTILES

BAND_NAMES = tuple(f"{low:g}–{high:g}" for low, high in BANDS)
LARGE = 10
"""Machines from which on the highest rate is held to its tolerance."""
TOLERANCE, FAR = 0.05, 0.12
APART = 0.03
"""Difference of two highest rates from which on simulation tells them apart."""


def compare(rows: Sequence[Measured]) -> xr.Dataset:
    """Analytic results beside the simulated ones.

    Args:
        rows: of a simulated space, those of a cluster side by side.

    Returns:
        Over `row`, `metric` and `percentile` the relative `error`, as far as it is beyond the
        confidence interval of the simulated mean; over `cluster` both highest rates [requests/s].
    """
    clusters = list({each.cluster: each for each in rows}.values())
    percentiles_s, highest_rps = [], []
    for cluster in clusters:
        own = [each for each in rows if each.cluster == cluster.cluster and each.load > 0.0]
        found, rate_rps = _analytic(cluster, [each.load for each in own])
        percentiles_s.append(found)
        highest_rps.append(rate_rps)
    loaded = [each for each in rows if each.load > 0.0]
    mean_s = np.array([each.mean_s for each in loaded])
    half_s = np.array([each.half_s for each in loaded])
    difference_s = np.concatenate(percentiles_s) - mean_s
    beyond_s = np.maximum(np.abs(difference_s) - half_s, 0.0)
    bands = np.searchsorted([high for _, high in BANDS[:-1]], [each.load for each in loaded])
    dims = ("row", "metric", "percentile")
    return xr.Dataset(
        {
            "error": (dims, np.sign(difference_s) * beyond_s / mean_s, {"units": "1"}),
            "simulated_rps": (
                "cluster",
                [each.highest_rate_rps for each in clusters],
                {"units": "requests/s"},
            ),
            "analytic_rps": ("cluster", highest_rps, {"units": "requests/s"}),
        },
        coords={
            "metric": [name.removesuffix("_s") for name in COMPARED],
            "percentile": list(PERCENTILES),
            "band": ("row", np.array(BAND_NAMES)[bands]),
            "row_semantics": ("row", [each.case.semantics for each in loaded]),
            "semantics": ("cluster", [each.case.semantics for each in clusters]),
            "machines": ("cluster", [each.case.machines for each in clusters]),
            "question": ("cluster", [_compared_under(each) for each in clusters]),
        },
    )


def error_table(compared: xr.Dataset) -> xr.Dataset:
    """Median and P90 of the errors' sizes by semantics, metric, percentile and band of load."""
    size = np.abs(compared["error"])
    names = list(dict.fromkeys(compared["row_semantics"].values.tolist()))
    tables = {"median": 0.5, "p90": 0.9}
    dims = ("semantics", "band", "metric", "percentile")
    values = {name: np.full((len(names), len(BANDS), *size.shape[1:]), np.nan) for name in tables}
    for row, semantics in enumerate(names):
        for column, band in enumerate(BAND_NAMES):
            cell = size[(compared["row_semantics"] == semantics) & (compared["band"] == band)]
            if len(cell):
                for name, share in tables.items():
                    # An order statistic, which an infinite error leaves defined.
                    values[name][row, column] = np.quantile(cell, share, axis=0, method="higher")
    return xr.Dataset(
        {name: (dims, each, {"units": "1"}) for name, each in values.items()},
        coords={
            "semantics": names,
            "band": list(BAND_NAMES),
            "metric": compared["metric"].values,
            "percentile": compared["percentile"].values,
        },
    ).transpose("semantics", "metric", "percentile", "band")


def rate_table(compared: xr.Dataset) -> xr.Dataset:
    """Errors of the highest rates, of clusters for which simulation finds one, by semantics.

    Returns:
        Number of clusters, and of those with at least 10 machines; of the latter the shares whose
        errors are within 5% and within 12%, and the error of the worst; Kendall's tau over pairs of
        clusters under the same question that simulation tells apart by more than 3%.
    """
    names = list(dict.fromkeys(compared["semantics"].values.tolist()))
    columns = {
        name: [] for name in ("clusters", "large", "within", "roughly", "worst", "kendall_tau")
    }
    for semantics in names:
        own = compared.isel(cluster=np.flatnonzero(compared["semantics"] == semantics))
        own = own.isel(cluster=np.flatnonzero(own["simulated_rps"] > 0.0))
        error = (own["analytic_rps"] / own["simulated_rps"] - 1.0).values
        large = error[own["machines"].values >= LARGE]
        columns["clusters"].append(error.size)
        columns["large"].append(large.size)
        columns["within"].append(np.mean(np.abs(large) <= TOLERANCE) if large.size else np.nan)
        columns["roughly"].append(np.mean(np.abs(large) <= FAR) if large.size else np.nan)
        columns["worst"].append(large[np.argmax(np.abs(large))] if large.size else np.nan)
        columns["kendall_tau"].append(
            kendall_tau(
                own["simulated_rps"].values, own["analytic_rps"].values, own["question"].values
            )
        )
    return xr.Dataset(
        {name: ("semantics", values, {"units": "1"}) for name, values in columns.items()},
        coords={"semantics": names},
    )


def kendall_tau(simulated: np.ndarray, analytic: np.ndarray, group: np.ndarray) -> float:
    """Share of pairs in the right order less that of the others.

    Pairs are of one group, and the simulated values are more than `APART` from each other.

    References:
        Kendall, A new measure of rank correlation, Biometrika 30, 1938.
    """
    apart = (simulated[:, None] > (1.0 + APART) * simulated) & (group[:, None] == group)
    if not apart.any():
        return np.nan
    return float(np.sign(analytic[:, None] - analytic)[apart].mean())


def _compared_under(each: Measured) -> str:
    """What clusters must have in common for one to choose between them."""
    case = each.case
    return f"{case.semantics}, {case.model}, {case.workload}, {case.independent}"


def _analytic(each: Measured, loads: Sequence[float]) -> tuple[np.ndarray, float]:
    """Percentiles under each load [s], [loads, metrics, percentiles], and the highest rate."""
    case = each.case
    asked = Asked(case.question, case.load, Candidate(case.design, case.cluster))
    splits = asked.candidate.splits
    first, second = (case.prompt, case.token) if splits else (0, case.machines)
    counts = np.array([float(first)]), np.array([float(second)])
    if loads:
        found = asked(*counts, np.array(loads) * each.highest_rate_rps, percentiles=True)
        percentiles_s = np.stack([getattr(found, name) for name in COMPARED], axis=1)
    else:
        percentiles_s = np.empty((0, len(COMPARED), len(PERCENTILES)))
    return percentiles_s, float(highest_rates(asked, *counts)[0])
