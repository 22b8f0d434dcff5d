"""Whether a configuration can be answered at all, as a code instead of an exception."""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.codes import Status
from splitmodel.iteration.memory import kv_bytes_per_token, kv_capacity_bytes
from splitmodel.units import Scalar


def status_of(case: Case, saturation_rps: Scalar) -> Scalar:
    """Code of `Status`, as a real number; the gravest one that applies."""
    needed_bytes = case.sizes.largest_tokens * kv_bytes_per_token(case.model, case.semantics)
    fits = known = jnp.asarray(True)
    for pool in case.cluster.pools:
        instance = case.instance(pool)
        capacity_bytes = kv_capacity_bytes(instance, case.model, case.semantics)
        hosted = (capacity_bytes >= needed_bytes) & (instance.per_machine >= 1.0)
        fits &= hosted | (pool.machines <= 0.0)
        known &= case.timing.known(case.model, instance) | (pool.machines <= 0.0)
    unstable = case.load.rate_rps >= saturation_rps
    status = jnp.where(unstable, float(Status.UNSTABLE), float(Status.OK))
    status = jnp.where(fits, status, float(Status.OUT_OF_MEMORY))
    return jnp.where(known, status, float(Status.NO_PROFILE))
