"""The configurations that no other one beats in everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from splitmodel.errors import InputError, unknown_name
from splitmodel.sweep.front import non_dominated


def pareto(
    results: xr.Dataset,
    *,
    minimise: str | Sequence[str] = ("cost_usd_per_hour",),
    maximise: str | Sequence[str] = ("throughput_rps",),
) -> xr.Dataset:
    """Pareto front of a sweep or of `provision`.

    A configuration is on the front if it meets the limits and no other one that does is at least
    as good in all objectives and better in one. Equals are kept together.

    Args:
        results: configurations along any dimensions, with `slo_met`.
        minimise: variables or coordinates of which less is better, for example
            "cost_usd_per_hour", "power_provisioned_w" or "machines".
        maximise: those of which more is better.

    Returns:
        The front along one dimension `config`, in the order of `results`.

    Raises:
        InputError: for no objective, or one that is unknown or not a number per configuration.
    """
    less, more = (
        [names] if isinstance(names, str) else list(names) for names in (minimise, maximise)
    )
    if not less + more:
        raise InputError("minimise: empty, and maximise: empty; give at least one objective")
    if "slo_met" not in results:
        raise InputError("results: without slo_met; it tells which configurations meet the limits")
    dims = results["slo_met"].dims
    columns = []
    for name in less + more:
        if name not in results.variables or not set(results[name].dims) <= set(dims):
            raise unknown_name("objective", name, _per_configuration(results, dims))
        values = results[name].broadcast_like(results["slo_met"]).transpose(*dims)
        columns.append(np.ravel(values) * (1.0 if name in less else -1.0))
    met = np.flatnonzero(np.ravel(results["slo_met"]) > 0)
    chosen = met[non_dominated(np.stack(columns, axis=-1)[met])]
    if dims == ("config",):
        return results.isel(config=chosen)
    flat = results.stack(config=dims, create_index=False)
    return flat.isel(config=chosen)


def _per_configuration(results: xr.Dataset, dims: tuple) -> list[str]:
    """Names of the numbers that a configuration has one of."""
    return [
        str(name)
        for name, variable in results.variables.items()
        if set(variable.dims) <= set(dims) and np.issubdtype(variable.dtype, np.number)
    ]
