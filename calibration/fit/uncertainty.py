"""How sure a fit is: covariance, misfit, and what the data determine.

References:
    Huber and Ronchetti, Robust Statistics (2009), section 7.6 (covariance of M-estimates).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.parameters.calibration import MISFITS
from splitmodel_calibration.fit.fit import Fit
from splitmodel_calibration.fit.problem import PHASE_SD, ROBUST, Problem

PRIOR_ROWS = 10.0
"""Worth, in rows, of the belief that misses scatter as PHASE_SD says."""
DETERMINED = 0.5
"""A parameter is determined by the data where these leave less than this share of its prior."""


class Uncertainty(NamedTuple):
    """Covariance of the logarithms of parameters and misfits."""

    keys: tuple[str, ...]
    """Parameters in the order of `problem.keys`, then misfits as "gpu.NAME.prefill_misfit"."""
    covariance: np.ndarray
    """Shape [keys, keys]."""
    prior_sd: np.ndarray
    """What the standard deviation would be without data, [keys]; of misfits, PHASE_SD."""

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation of the logarithms, [keys]."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def determined(self) -> np.ndarray:
        """Whether the data determine the parameter, [keys]."""
        return self.sd < DETERMINED * self.prior_sd

    @property
    def correlation(self) -> np.ndarray:
        """Correlations of the logarithms, shape [keys, keys]."""
        return self.covariance / np.outer(self.sd, self.sd)


def uncertainty(fit: Fit) -> Uncertainty:
    """Uncertainty at the optimum."""
    problem, z = fit.problem, jnp.asarray(fit.z)
    misses, slopes, to_parameters = (np.asarray(each, np.float64) for each in _slopes(problem, z))
    used = fit.weight > 0.0
    slopes = np.sqrt(fit.weight)[used, None] * slopes[used]
    curvature, score = _huber_moments(misses[used])
    information = slopes.T @ slopes
    unit = np.eye(problem.unknowns)
    inverse = np.linalg.inv(curvature * information + unit)
    of_z = inverse @ (score * information + unit) @ inverse
    covariance = to_parameters @ of_z @ to_parameters.T
    prior = to_parameters @ to_parameters.T
    # What a fit spends on parameters it takes from the scatter about it.
    spent = np.trace(inverse @ information) * curvature / max(used.sum(), 1)
    misfit_keys, misfit_sd, misfit_prior = _misfits(problem, misses / np.sqrt(1.0 - spent), used)
    return Uncertainty(
        (*problem.keys, *misfit_keys),
        _block_diagonal(covariance, np.diag(misfit_sd**2)),
        np.concatenate([np.sqrt(np.diag(prior)), misfit_prior]),
    )


@jax.jit
def _slopes(problem: Problem, z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    return (
        problem.misses(z),
        jax.jacfwd(problem.misses)(z),
        jax.jacfwd(problem.log_parameters)(z),
    )


def _huber_moments(misses: np.ndarray) -> tuple[float, float]:
    """Means of the second derivative and of the squared first one of the pseudo-Huber loss.

    Few rows say little about the scatter: PRIOR_ROWS of normal ones are added to them.
    """
    normal = np.random.default_rng(0).standard_normal(10_000)

    def mean(function) -> float:
        own, believed = function(misses).sum(), PRIOR_ROWS * function(normal).mean()
        return (own + believed) / (len(misses) + PRIOR_ROWS)

    return (
        mean(lambda miss: (1.0 + (miss / ROBUST) ** 2) ** -1.5),
        mean(lambda miss: miss**2 / (1.0 + (miss / ROBUST) ** 2)),
    )


def _misfits(
    problem: Problem, misses: np.ndarray, used: np.ndarray
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Key, scatter and prior scatter of the misfit of each GPU and phase."""
    gpu = np.asarray(problem.gpu_of)[np.asarray(problem.rows.machine)]
    decode = np.asarray(problem.rows.decode) > 0.0
    keys, sds, believed = [], [], []
    for name, phase in zip(MISFITS, PHASE_SD, strict=True):
        for index, label in enumerate(problem.gpus):
            own = misses[used & (gpu == index) & (decode == (phase == "decode"))]
            square = (np.sum(own**2) + PRIOR_ROWS) / (len(own) + PRIOR_ROWS)
            keys.append(f"gpu.{label}.{name}")
            sds.append(PHASE_SD[phase] * np.sqrt(square))
            believed.append(PHASE_SD[phase])
    return keys, np.array(sds), np.array(believed)


def _block_diagonal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    size = len(one) + len(other)
    joined = np.zeros((size, size))
    joined[: len(one), : len(one)] = one
    joined[len(one) :, len(one) :] = other
    return joined


class Prediction(NamedTuple):
    """Modelled times of every row of a problem, shape [rows]."""

    time_s: np.ndarray
    log_sd: np.ndarray
    """Standard deviation of their logarithm, misfit included."""


def predict(fit: Fit, found: Uncertainty) -> Prediction:
    """Time of every row of the fit's problem, left out or not, and how sure it is."""
    problem = fit.problem
    log_times, slopes = (
        np.asarray(each, np.float64) for each in _log_times(problem, jnp.asarray(fit.z))
    )
    fitted = len(problem.keys)
    square = np.einsum("ri,ij,rj->r", slopes, found.covariance[:fitted, :fitted], slopes)
    gpu = np.asarray(problem.gpu_of)[np.asarray(problem.rows.machine)]
    decode = np.asarray(problem.rows.decode) > 0.0
    misfit = found.sd[fitted:].reshape(len(MISFITS), -1)[decode.astype(int), gpu]
    return Prediction(np.exp(log_times), np.sqrt(square + misfit**2))


@jax.jit
def _log_times(problem: Problem, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    at = problem.log_parameters(z)
    return problem.log_times(at), jax.jacfwd(problem.log_times)(at)
