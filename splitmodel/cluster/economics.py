"""Cost, power and energy of a cluster under load.

References:
    Patel et al., Splitwise, ISCA 2024, Table I and section VI (cost and power of the designs).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.flow import Flow
from splitmodel.iteration.power import decode_share, machine_power_w, prefill_share
from splitmodel.roofline.batch import decode_batch, prefill_batch
from splitmodel.specs.cluster import Pool
from splitmodel.units import SECONDS_PER_HOUR, Scalar


class Economics(eqx.Module):
    """What the cluster costs and draws; names as in the nomenclature."""

    cost_usd_per_hour: Scalar
    usd_per_request: Scalar
    usd_per_million_tokens: Scalar
    requests_per_usd: Scalar
    power_provisioned_w: Scalar
    power_mean_w: Scalar
    energy_j_per_request: Scalar
    requests_per_joule: Scalar


def economics(case: Case, flow: Flow, throughput_rps: Scalar) -> Economics:
    """Cost and power at a throughput [requests/s]."""
    cost_usd_per_hour = case.cluster.usd_per_hour
    requests_per_usd = throughput_rps * SECONDS_PER_HOUR / cost_usd_per_hour
    power_mean_w = mean_power_w(case, flow)
    requests_per_joule = throughput_rps / power_mean_w
    return Economics(
        cost_usd_per_hour=cost_usd_per_hour,
        usd_per_request=1.0 / requests_per_usd,
        usd_per_million_tokens=1e6 / (requests_per_usd * (case.sizes.mean_steps + 1.0)),
        requests_per_usd=requests_per_usd,
        power_provisioned_w=case.cluster.power_provisioned_w,
        power_mean_w=power_mean_w,
        energy_j_per_request=1.0 / requests_per_joule,
        requests_per_joule=requests_per_joule,
    )


def mean_power_w(case: Case, flow: Flow) -> Scalar:
    """Mean draw of all machines [W]: idle power, and the phases' draw while they are busy."""
    prompt_tokens = case.sizes.mean_prompt_tokens
    prefill = prefill_batch(prompt_tokens)
    decode = decode_batch(flow.batch, case.sizes.decode_context_tokens)
    # Share of each pool's busy time that goes to prefill.
    prefilling = jnp.stack([jnp.ones(()), jnp.zeros(()), flow.prefilling])

    def pool_w(pool: Pool, share: Scalar, busy: Scalar) -> Scalar:
        instance = case.instance(pool)
        decode_s = case.iteration_s(decode, instance)
        prefill_draw = prefill_share(prefill, case.model, instance)
        decode_draw = decode_share(decode, case.model, instance, decode_s)
        busy_share = share * prefill_draw + (1.0 - share) * decode_draw
        return pool.machines * machine_power_w(instance, busy, busy_share)

    pools = jax.tree.map(lambda *leaves: jnp.stack(leaves), *case.cluster.pools)
    return jnp.sum(jax.vmap(pool_w)(pools, prefilling, flow.utilisation))
