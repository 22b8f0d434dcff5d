"""Cost, power and energy of a cluster under load, whichever tier tells how it is used.

References:
    Patel et al., Splitwise, ISCA 2024, Table I and section VI (cost and power of the designs).
"""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from splitmodel.iteration.instance import Instance
from splitmodel.iteration.power import decode_share, machine_power_w, prefill_share
from splitmodel.roofline.batch import Batch, decode_batch, prefill_batch
from splitmodel.specs.cluster import Cluster, Pool
from splitmodel.specs.transformer import Transformer
from splitmodel.units import SECONDS_PER_HOUR, Scalar


class Use(eqx.Module):
    """What the machines of each pool do, [pools] in the order of POOLS."""

    prompt_tokens: Scalar
    """Mean size of a prompt."""
    context_tokens: Scalar
    """KV tokens that a decode step of one request reads, mean over steps."""
    batch: Scalar
    """Mean number of requests that decode together on one instance, [pools]."""
    busy: Scalar
    """Share of time in which an iteration runs, [pools]."""
    prefilling: Scalar
    """Share of that time that goes to iterations with prompts, [pools]."""


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


def economics(
    cluster: Cluster, power_mean_w: Scalar, throughput_rps: Scalar, output_tokens: Scalar
) -> Economics:
    """Cost and energy of what a cluster delivers.

    Args:
        cluster: the machines.
        power_mean_w: mean draw of all of them [W].
        throughput_rps: requests completed [requests/s].
        output_tokens: mean output of a request [tokens].
    """
    cost_usd_per_hour = cluster.usd_per_hour
    requests_per_usd = throughput_rps * SECONDS_PER_HOUR / cost_usd_per_hour
    requests_per_joule = throughput_rps / power_mean_w
    return Economics(
        cost_usd_per_hour=cost_usd_per_hour,
        usd_per_request=1.0 / requests_per_usd,
        usd_per_million_tokens=1e6 / (requests_per_usd * output_tokens),
        requests_per_usd=requests_per_usd,
        power_provisioned_w=cluster.power_provisioned_w,
        power_mean_w=power_mean_w,
        energy_j_per_request=1.0 / requests_per_joule,
        requests_per_joule=requests_per_joule,
    )


def mean_power_w(
    cluster: Cluster,
    model: Transformer,
    use: Use,
    instance_of: Callable[[Pool], Instance],
    iteration_s: Callable[[Batch, Instance], Scalar],
) -> Scalar:
    """Mean draw of all machines [W]: idle power, and the phases' draw while they are busy.

    Args:
        cluster: the machines.
        model: the transformer.
        use: what they do.
        instance_of: instance of a pool's machines.
        iteration_s: time of an iteration on it [s].
    """
    prefill = prefill_batch(use.prompt_tokens)

    def pool_w(pool: Pool, requests: Scalar, share: Scalar, busy: Scalar) -> Scalar:
        instance = instance_of(pool)
        decode = decode_batch(requests, use.context_tokens)
        prefill_draw = prefill_share(prefill, model, instance)
        decode_draw = decode_share(decode, model, instance, iteration_s(decode, instance))
        busy_share = share * prefill_draw + (1.0 - share) * decode_draw
        return pool.machines * machine_power_w(instance, busy, busy_share)

    pools = jax.tree.map(lambda *leaves: jnp.stack(leaves), *cluster.pools)
    return jnp.sum(jax.vmap(pool_w)(pools, use.batch, use.prefilling, use.busy))
