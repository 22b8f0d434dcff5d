"""The fit: several starts, thresholds scanned, convergence checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from splitmodel.errors import check_choice
from splitmodel_calibration.fit.problem import Problem
from splitmodel_calibration.fit.solvers import SOLVERS, Solution, solve

SCANS: Mapping[str, Sequence[float]] = MappingProxyType(
    {
        "collective_step_bytes": (20e6, 40e6, 65e6, 90e6, 125e6, 180e6, 300e6),
        "collective_burst_bytes": (0.001e6, 4e6, 8e6, 12e6, 16e6, 20e6, 24e6, 32e6),
        "crowd_requests": (4.0, 8.0, 16.0, 32.0, 48.0),
    }
)
"""Thresholds to try, one after the other: they have no gradient. A step is tried between any two
message sizes of the published profile, a crowd at its batch sizes."""


SOFT_NORM = 4.0
"""Exponent of the p-norms from which random starts reach the one optimum: with sharp bends
some end elsewhere."""


class Fit(NamedTuple):
    """Parameters at the optimum."""

    problem: Problem
    """With the thresholds that fit best."""
    weight: np.ndarray
    """Of every row, shape [rows]."""
    z: np.ndarray
    """Parameters in units of their priors, shape [unknowns]."""
    loss: float
    """Half the sum of squares of the residuals, priors included."""
    slope: float
    """Largest component of the loss's gradient."""
    disagreement: float
    """Largest difference of a z between the starts that reached this loss."""
    reached: int
    """Starts that reached it."""
    starts: int

    @property
    def converged(self) -> bool:
        """Whether the gradient vanishes, to the precision in use, and most starts agree."""
        small = 3e-2 if self.z.dtype == np.float32 else 1e-4
        return self.slope < small and 2 * self.reached > self.starts

    @property
    def log_parameters(self) -> Any:
        """Logarithm of every parameter, in the order of `problem.keys`."""
        return np.asarray(self.problem.log_parameters(jnp.asarray(self.z)))


def fit(
    problem: Problem,
    weight: np.ndarray | None = None,
    *,
    solver: str = "lm",
    starts: int = 4,
    seed: int = 0,
    scans: Mapping[str, Sequence[float]] | None = None,
    progress: bool = False,
) -> Fit:
    """Parameters that fit the measurements best.

    Args:
        problem: measurements and priors.
        weight: of every row, shape [rows]; 0 leaves it out. By default all count once.
        solver: one of SOLVERS.
        starts: the prior's centre, and so many less one random draws from it.
        seed: of those draws.
        scans: thresholds to try, as SCANS, the default; none where they stay as they are.
        progress: show a bar.

    Raises:
        InputError: for an unknown solver.
    """
    check_choice("solver", solver, SOLVERS)
    weighting = jnp.ones_like(problem.rows.log_time) if weight is None else jnp.asarray(weight)
    scans = SCANS if scans is None else scans
    draws = np.random.default_rng(seed).standard_normal((starts, problem.unknowns))
    draws[0] = 0.0
    begins = list(jnp.asarray(draws, dtype=float))
    total = sum(map(len, scans.values())) + starts
    with tqdm(total=total, unit="solve", disable=not progress, desc="calibrate") as bar:

        def solved(problem: Problem, start: jax.Array, norm: jax.Array, solver: str) -> Solution:
            end = solve(problem, weighting, start, norm, solver)
            bar.update()
            return jax.tree.map(np.asarray, end)

        soft = jnp.asarray(SOFT_NORM, dtype=float)
        sharp = problem.machines.host_time.norm[0]
        near, norm = begins[0], soft
        for name, values in scans.items():
            tried = []
            for value in values:
                tried.append(solved(problem.pinned(**{name: value}), near, norm, "lm"))
                near, norm = jnp.asarray(tried[-1].z), sharp
            best = int(np.argmin([each.loss for each in tried]))
            problem, near = problem.pinned(**{name: values[best]}), jnp.asarray(tried[best].z)
        ends = [solved(problem, begin, soft, solver) for begin in begins]
    best = min(ends, key=lambda end: end.loss)
    reached = [end for end in ends if end.loss < best.loss + 1e-3]
    return Fit(
        problem,
        np.asarray(weighting),
        np.asarray(best.z),
        float(best.loss),
        float(best.slope),
        max(float(np.abs(end.z - best.z).max()) for end in reached),
        len(reached),
        starts,
    )
