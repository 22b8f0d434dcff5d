"""Relative errors of modelled iteration times."""

from __future__ import annotations

import numpy as np
import pandas as pd

from splitmodel.specs.leaves import as_arrays
from splitmodel_calibration.fit.fit import Fit


def in_sample_errors(fit: Fit, rows: pd.DataFrame) -> dict[str, float]:
    """Mean relative error of each phase over the rows that were fitted."""
    modelled_s = np.exp(np.asarray(fit.problem.log_times(as_arrays(fit.log_parameters))))
    off = np.abs(modelled_s / rows.time_s.to_numpy() - 1.0)
    used = fit.weight > 0.0
    phases = rows.phase.to_numpy()
    return {
        phase: round(float(off[used & (phases == phase)].mean()), 4)
        for phase in dict.fromkeys(phases[used])
    }
