"""An ensemble of fits to resampled configurations: uncertainty without the assumption of normality.

References:
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 9 (resampling cases).
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from splitmodel_calibration.fit.fit import Fit
from splitmodel_calibration.fit.solvers import solve


def bootstrap(
    fit: Fit, configuration: np.ndarray, count: int = 50, seed: int = 0, progress: bool = False
) -> np.ndarray:
    """Parameters of fits to configurations drawn with replacement.

    Thresholds stay, and so do priors, so that the spread is what the data alone contribute: where
    the data say nothing it is zero, not wide.

    Args:
        fit: of all configurations.
        configuration: number of each row's configuration, shape [rows]; its rows stay together.
        count: fits.
        seed: of the draws.
        progress: show a bar.

    Returns:
        Logarithms of the parameters, shape [count, keys].
    """
    random = np.random.default_rng(seed)
    used = np.unique(configuration[fit.weight > 0.0])
    start, norm = jnp.asarray(fit.z), fit.problem.machines.host_time.norm[0]
    found = []
    for _ in tqdm(range(count), disable=not progress, desc="bootstrap"):
        drawn = random.choice(used, len(used))
        times = np.bincount(drawn, minlength=configuration.max() + 1)[configuration]
        weight = jnp.asarray(fit.weight * times, dtype=start.dtype)
        found.append(fit.problem.log_parameters(solve(fit.problem, weight, start, norm).z))
    return np.array(found, np.float64)
