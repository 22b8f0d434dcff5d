"""The highest arrival rate at which a cluster meets its limits."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.cluster.case import Case
from splitmodel.cluster.latency import latencies, reference_times_s
from splitmodel.cluster.make_case import flow_of, make_case
from splitmodel.cluster.splitwise import FULLEST
from splitmodel.cluster.status import status_of
from splitmodel.codes import Status
from splitmodel.iteration.timing import Timing
from splitmodel.queueing.solve import bracketed_root
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.hardware import Machine
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar

SCANNED = np.concatenate([[1e-3], np.linspace(0.04, 1.0, 25)]) * FULLEST
"""Shares of the saturation rate at which the limits are tried; the first failure is refined."""
_ITERATIONS = 6


def highest_rate(
    cluster: Cluster,
    load: Workload,
    model: str | Transformer,
    *,
    slo: str | SLO | None = "splitwise",
    timing: str | Timing | None = None,
    semantics: str | Semantics = "physical",
    stack: str | None = None,
    reference: str | Machine = "DGX-A100",
) -> Scalar:
    """Highest rate that meets all limits [requests/s]: the first crossing from below.

    Pure, for `jit`, `vmap` and `grad`; the derivative is that of the limit that binds. 0 where
    the limits fail at any rate or the model does not fit; the saturation rate where they never
    fail. Arguments as in `metrics`; the rate of `load` plays no role.
    """
    case, alone, limits = make_case(
        cluster,
        load,
        model,
        slo=slo,
        timing=timing,
        semantics=semantics,
        stack=stack,
        reference=reference,
    )
    reference_s = reference_times_s(case, alone)

    def room(rate_rps: jax.Array) -> jax.Array:
        """Least relative distance to a limit; negative where one fails. Falls with the rate."""
        return jax.vmap(lambda rate: _room(_at_rate(case, rate), reference_s, limits))(rate_rps)

    saturation_rps = flow_of(case).saturation_rps
    tried_rps = jnp.asarray(SCANNED, dtype=float) * saturation_rps
    passed = jax.lax.stop_gradient(room(tried_rps)) > 0.0
    # Index of the first failure; one past the end where there is none.
    failed = jnp.argmin(jnp.append(passed, False))
    low_rps = tried_rps[jnp.maximum(failed - 1, 0)]
    high_rps = tried_rps[jnp.minimum(failed, len(SCANNED) - 1)]
    crossing_rps = bracketed_root(room, low_rps[None], high_rps[None], _ITERATIONS)[0]
    highest_rps = jnp.where(failed == len(SCANNED), saturation_rps * FULLEST, crossing_rps)
    served = status_of(_at_rate(case, tried_rps[0]), saturation_rps) == float(Status.OK)
    return jnp.where(served & (failed > 0), highest_rps, 0.0)


def _at_rate(case: Case, rate_rps: Scalar) -> Case:
    return eqx.tree_at(lambda tree: tree.load.rate_rps, case, rate_rps)


def _room(case: Case, reference_s: tuple[Scalar, Scalar], limits: SLO) -> Scalar:
    spread = latencies(case, flow_of(case), reference_s)
    shares = [value / getattr(limits, name) for name, value in spread.percentiles().items()]
    return 1.0 - jnp.max(jnp.stack(shares))
