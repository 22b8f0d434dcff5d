"""Constants of an approximation, fitted to every other one of some simulations.

The simulations in between judge them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optimistix

from splitmodel_calibration.fit.problem import robust


def fit_halves(
    drawn: Sequence[tuple[Any, Any]],
    shipped: Any,
    errors: Callable[[Any, Any, Any], dict[str, jax.Array]],
    weights: Mapping[str, tuple[float, float]],
    kept: float,
    unit: str,
    shown: Callable[[dict[str, jax.Array], Any], dict[str, jax.Array]] = lambda off, _: off,
) -> None:
    """Fit to every other simulation; print the constants, and their errors on both halves.

    Args:
        drawn: what the approximation is given, and what was simulated, of one structure.
        shipped: constants that ship, a pytree of positive numbers.
        errors: function of constants, given and simulated, both with an axis over simulations:
            errors by name, as logarithms.
        weights: of each error, and from which size on it counts linearly.
        kept: weight of a constant's distance from what ships, as a logarithm.
        unit: what a simulation is of, in the plural.
        shown: function of these errors and the simulated: one by name for each simulation.
    """
    halves = [stacked(drawn[first::2]) for first in (0, 1)]
    start = jax.tree.map(jnp.asarray, shipped)
    # Least squares take logarithms of the constants: these stay positive.
    start_logs = jax.tree.map(jnp.log, start)

    def residuals(logs: Any, half: tuple[Any, Any]) -> tuple[Any, Any]:
        off = errors(jax.tree.map(jnp.exp, logs), *half)
        return (
            {name: weight * robust(off[name], width) for name, (weight, width) in weights.items()},
            jax.tree.map(lambda log, at_start: kept * (log - at_start), logs, start_logs),
        )

    logs = optimistix.least_squares(
        residuals,
        optimistix.LevenbergMarquardt(rtol=1e-4, atol=1e-4),
        start_logs,
        halves[0],
        max_steps=100,
        throw=False,
    ).value
    fitted = jax.tree.map(jnp.exp, logs)
    for (path, value), at_start in zip(
        jax.tree.leaves_with_path(fitted), jax.tree.leaves(start), strict=True
    ):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        print(f"{name:25} {float(value):6.3f}, shipped {float(at_start):6.3f}")
    for fits, label in ((fitted, "fitted"), (start, "shipped")):
        for first, half, which in zip((0, 1), halves, ("fitted to", "others"), strict=True):
            told = ", ".join(
                f"{name} {np.median(np.abs(each)):.1%} ({np.quantile(np.abs(each), 0.9):.1%})"
                for name, each in shown(errors(fits, *half), half[1]).items()
            )
            count = len(drawn[first::2])
            print(f"{label}, {which}, {count} {unit}, median (P90) error: {told}")


def stacked(trees: Sequence[Any]) -> Any:
    """Pytrees of one structure as one, whose leaves have an axis over them, the first."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *trees)
