"""The paper's two machines, for studies of one machine."""

from __future__ import annotations

from functools import cache
from typing import Any

import xarray as xr

import splitmodel as sm
from splitmodel.evaluate import prepare
from splitmodel.iteration.instance import Instance, make_instance
from splitmodel.simulate.options import steady
from splitmodel.simulate.sample import sample
from splitmodel.specs.leaves import as_arrays
from splitmodel.variables import PERCENTILES

MACHINES = ("DGX-A100", "DGX-H100")
METRICS = ("ttft_s", "tbt_s", "e2e_s")
"""The first of the metrics that limits are set on."""


@cache
def instance(machine: str, model: str) -> Instance:
    """A whole machine that serves a model, on the stack of the published profile."""
    server, spec, gpus, one = as_arrays((sm.machine(machine), sm.transformer(model), 8.0, 1.0))
    return make_instance(server, spec, gpus, one, one, None)


def latencies_s(
    cluster: sm.Cluster, load: sm.Workload, model: str, semantics: str, **simulation: Any
) -> xr.DataArray:
    """Simulated TTFT, TBT and E2E over `metric` and `percentile` [s], means over runs.

    Args:
        cluster: machines and policies.
        load: requests.
        model: name in the catalogue.
        semantics: conventions.
        simulation: arguments of `steady`.
    """
    question = prepare(
        [cluster],
        model,
        None,
        timing=None,
        semantics=semantics,
        stack=None,
        reference=None,
        tier="analytic",
    )
    mean = sample(question.setting(cluster), load, steady(**simulation)).mean
    return xr.DataArray(
        mean[: len(METRICS)],
        dims=("metric", "percentile"),
        coords={"metric": list(METRICS), "percentile": list(PERCENTILES)},
        attrs={"units": "s"},
    )
