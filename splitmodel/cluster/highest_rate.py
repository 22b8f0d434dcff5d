"""The highest arrival rate at which a cluster meets its limits."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.cluster.case import Case
from splitmodel.cluster.flow import FULLEST
from splitmodel.cluster.latency import Latencies, latencies, reference_times_s
from splitmodel.cluster.make_case import flow_of, make_case
from splitmodel.cluster.status import status_of
from splitmodel.codes import Status
from splitmodel.iteration.timing import Timing
from splitmodel.queueing.percentile import EXCEEDED
from splitmodel.queueing.solve import first_crossing
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.hardware import Machine
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar

SCANNED = np.concatenate([[1e-3], np.linspace(0.04, 1.0, 25)]) * FULLEST
"""Shares of the saturation rate at which the limits are tried; the first failure is refined."""
_ITERATIONS = 9
_LEAST_TAIL = 1e-5
"""Where fewer requests are beyond a limit, that limit is far away."""


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
    the limits fail at any rate or the model does not fit; (nearly) the saturation rate where they
    never fail. Arguments as in `metrics`; the rate of `load` plays no role.
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
        """Least room under a limit, in logarithms of shares; negative where one fails."""
        at_rate = _at_rate(case, rate_rps)
        return _room(latencies(at_rate, flow_of(at_rate), reference_s), limits)

    saturation_rps = flow_of(case).saturation_rps
    tried_rps = jnp.asarray(SCANNED, dtype=float) * saturation_rps
    highest_rps = first_crossing(room, tried_rps, _ITERATIONS)
    served = status_of(_at_rate(case, tried_rps[0]), saturation_rps) == float(Status.OK)
    # A crossing at the lowest rate tried means that no rate will do.
    return jnp.where(served & (highest_rps > tried_rps[0]), highest_rps, 0.0)


def _room(spread: Latencies, limits: SLO) -> Scalar:
    """Least logarithm of a percentile's share over that of the requests beyond its limit.

    The percentile is below the limit where that is positive.
    """
    limited, beyond = spread.beyond(limits)
    exceeded = jnp.asarray([EXCEEDED], dtype=float)
    rooms = jnp.log(exceeded / jnp.maximum(beyond, _LEAST_TAIL))
    return jnp.min(jnp.where(limited, rooms, -np.log(_LEAST_TAIL)))


def _at_rate(case: Case, rate_rps: Scalar) -> Case:
    return eqx.tree_at(lambda tree: tree.load.rate_rps, case, rate_rps)
