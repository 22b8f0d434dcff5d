"""Errors on held-out configurations, beside simpler ways to predict them."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd
from tqdm import tqdm

from splitmodel_calibration.datasets.splitwise import splitwise_profile
from splitmodel_calibration.evaluation.rivals import interpolated_s, scaled_s
from splitmodel_calibration.evaluation.splits import splits
from splitmodel_calibration.fit.fit import fit
from splitmodel_calibration.fit.priors import priors
from splitmodel_calibration.fit.problem import make_problem
from splitmodel_calibration.fit.uncertainty import predict, uncertainty

INTERVAL = 0.9
"""Probability of the intervals whose coverage is measured."""


def predictions(seed: int = 0, progress: bool = False) -> pd.DataFrame:
    """Every held-out prediction: one row per split, configuration and phase.

    Args:
        seed: of the folds.
        progress: show a bar over splits.

    Returns:
        Columns of `Measurements.rows`, with `split`, `roofline_s`, `log_sd`, `interpolated_s` and
        `scaled_s`; the last two are NaN where these ways cannot predict.
    """
    rows = splitwise_profile().rows
    # Thresholds are found once, on everything; each split fits all else anew.
    whole = fit(make_problem(rows, priors()), progress=progress)
    found = []
    for split in tqdm(list(splits(rows, seed)), disable=not progress, desc="held out"):
        one = fit(whole.problem, split.trained.astype(float), starts=1, scans={})
        modelled = predict(one, uncertainty(one))
        table = rows.assign(
            split=split.name,
            roofline_s=modelled.time_s,
            log_sd=modelled.log_sd,
            interpolated_s=interpolated_s(rows, split.trained),
            scaled_s=scaled_s(rows, split.trained),
        )
        found.append(table[split.tested])
    return pd.concat(found, ignore_index=True)


def summary(predicted: pd.DataFrame) -> pd.DataFrame:
    """Errors by split, phase and machine ("both" together).

    Returns:
        Number of predictions; mean, median and 95th percentile of the roofline's relative error;
        share of measurements within its interval; mean relative error of interpolation and of
        scaling by data sheet, NaN where they cannot predict all.
    """
    both = predicted.assign(machine="both")
    table = pd.concat([both, predicted])
    off = {
        way: (table[f"{way}_s"] / table.time_s - 1.0).abs()
        for way in ("roofline", "interpolated", "scaled")
    }
    z = NormalDist().inv_cdf(0.5 + 0.5 * INTERVAL)
    miss = np.log(table.roofline_s / table.time_s).abs()
    table = table.assign(**off, inside=miss <= z * table.log_sd)
    groups = table.groupby(["split", "phase", "machine"], sort=False)
    return pd.DataFrame(
        {
            "predictions": groups.size(),
            "mean_error": groups.roofline.mean(),
            "median_error": groups.roofline.median(),
            "p95_error": groups.roofline.quantile(0.95),
            "coverage": groups.inside.mean(),
            "interpolation_error": groups.interpolated.agg(_mean_of_all),
            "scaling_error": groups.scaled.agg(_mean_of_all),
        }
    ).reset_index()


def _mean_of_all(errors: pd.Series) -> float:
    return float(errors.mean(skipna=False))
