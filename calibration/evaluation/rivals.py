"""Simpler ways to predict an iteration time: interpolation, and scaling by data sheet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from splitmodel.specs.catalogue import machine, transformer
from splitmodel_calibration.evaluation.splits import prompts_of

_CURVE = ["machine", "model", "tensor_parallel", "phase"]


def interpolated_s(rows: pd.DataFrame, trained: np.ndarray) -> np.ndarray:
    """Time of every row [s] as the authors' simulator reads it; NaN without a curve.

    Medians over x = prompt × batch, piecewise linear, extrapolating the outer segments.
    """
    x = prompts_of(rows) * rows.batch_size.to_numpy()
    found = np.full(len(rows), np.nan)
    for _, group in rows.assign(x=x).groupby(_CURVE):
        known = group[trained[group.index]]
        medians = known.groupby("x").time_s.median()
        if len(medians) >= 2:
            found[group.index] = _piecewise(group.x, medians.index, medians)
    return found


def _piecewise(at: pd.Series, knots: pd.Index, values: pd.Series) -> np.ndarray:
    x, y = np.asarray(knots, float), np.asarray(values, float)
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    slope = np.diff(y) / np.diff(x)
    return y[left] + slope[left] * (np.asarray(at, float) - x[left])


def scaled_s(rows: pd.DataFrame, trained: np.ndarray) -> np.ndarray:
    """Time of every row [s] from the same batch elsewhere, times a ratio; NaN where there is none.

    Elsewhere is a configuration that was trained on and differs in machine, model or tensor
    parallelism, in as few of them as there is one. Prefill scales with parameters over compute
    rate, decode with parameters over HBM bandwidth, both over the GPUs.
    """
    gpus = {name: machine(name).gpu for name in rows.machine.unique()}
    sizes = {
        name: float(transformer(name).parameters_without_input_embedding)
        for name in rows.model.unique()
    }
    prefill = (rows.phase == "prefill").to_numpy()
    rate = np.where(
        prefill,
        rows.machine.map(lambda name: gpus[name].flop_per_s),
        rows.machine.map(lambda name: gpus[name].hbm_bytes_per_s),
    )
    work = rows.model.map(sizes).to_numpy(float) / (rate * rows.tensor_parallel.to_numpy())
    found = np.full(len(rows), np.nan)
    for _, group in rows.groupby(["phase", "batch_size", "tokens"]):
        known = group.index[trained[group.index]]
        for index in group.index.difference(known):
            if len(known):
                apart = np.abs(np.log(work[known] / work[index]))
                for name in ("machine", "model", "tensor_parallel"):
                    apart += 10.0 * (rows[name][known] != rows[name][index]).to_numpy()
                source = known[int(np.argmin(apart))]
                found[index] = rows.time_s[source] * work[index] / work[source]
    return found
