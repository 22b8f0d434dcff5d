"""The pure core: cluster, load and model in, every metric out, as pytrees of arrays."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from splitmodel.cluster.case import Case
from splitmodel.cluster.flow import Flow
from splitmodel.cluster.latency import Latencies, latencies, reference_times_s
from splitmodel.cluster.make_case import flow_of, make_case
from splitmodel.cluster.status import status_of
from splitmodel.codes import Status
from splitmodel.compilation import total
from splitmodel.economics import Use, economics, mean_power_w
from splitmodel.iteration.roofline_timing import Roofline, bound
from splitmodel.iteration.timing import Timing
from splitmodel.queueing.percentile import EXCEEDED
from splitmodel.roofline.batch import Batch, prefill_batch
from splitmodel.specs.cluster import Cluster, Pool
from splitmodel.specs.hardware import Machine
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.slo import METRICS, SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar


class Metrics(eqx.Module):
    """Every output of the analytic tier; names, units and definitions as in the nomenclature.

    Latencies have shape [3] (P50, P90, P99), parts [2], pools [3], phases [2], the rest [].
    """

    ttft_s: Scalar
    tbt_s: Scalar
    e2e_s: Scalar
    ttft_slowdown: Scalar
    tbt_slowdown: Scalar
    e2e_slowdown: Scalar
    ttft_parts_s: Scalar
    kv_transfer_s: Scalar
    throughput_rps: Scalar
    saturation_rps: Scalar
    load_fraction: Scalar
    utilisation: Scalar
    bound: Scalar
    cost_usd_per_hour: Scalar
    usd_per_request: Scalar
    usd_per_million_tokens: Scalar
    requests_per_usd: Scalar
    power_provisioned_w: Scalar
    power_mean_w: Scalar
    energy_j_per_request: Scalar
    requests_per_joule: Scalar
    machines: Scalar
    slo_attainment: Scalar
    goodput_rps: Scalar
    slo_met: Scalar
    status: Scalar


def metrics(
    cluster: Cluster,
    load: Workload,
    model: str | Transformer,
    *,
    slo: str | SLO | None = "splitwise",
    timing: str | Timing | None = None,
    semantics: str | Semantics = "physical",
    stack: str | None = None,
    reference: str | Machine = "DGX-A100",
    percentiles: Scalar | None = None,
) -> Metrics:
    """Every metric of one configuration: pure, for `jit`, `vmap` and `grad` as it stands.

    Args:
        cluster: machines, roles and policies.
        load: request sizes and arrival rate.
        model: name in the catalogue, or a `Transformer`.
        slo: limits for `slo_met`, `slo_attainment` and `goodput_rps`; None for no limit.
        timing: "roofline", "interpolated" or a `Timing`; by default that of the semantics.
        semantics: "physical" or "splitwise-sim".
        stack: "splitwise-2023" or "graphs"; by default the former where the published profile
            has model and machine.
        reference: machine on which a request alone gives the slowdowns' denominator, with the
            tensor parallelism of all its GPUs.
        percentiles: where given, they are wanted only if it is positive, and infinite otherwise:
            the rest, limits included, takes a fraction of the time, and one compilation does both.

    Returns:
        Metrics of arrays. Where `status` is not 0, latencies are infinite.

    Raises:
        InputError: for unknown names.

    References:
        Patel et al., Splitwise, ISCA 2024, Tables II and VI.
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
    return _compose(case, flow_of(case), reference_times_s(case, alone), limits, percentiles)


def _compose(
    case: Case, flow: Flow, reference_s: tuple[Scalar, Scalar], limits: SLO, wanted: Scalar | None
) -> Metrics:
    status = status_of(case, flow.saturation_rps)
    answered = status == float(Status.OK)
    hosted = status <= float(Status.UNSTABLE)
    saturation_rps = jnp.where(hosted, flow.saturation_rps, 0.0)
    throughput_rps = jnp.minimum(case.load.rate_rps, saturation_rps)
    spread = latencies(case, flow, reference_s)
    found = spread.percentiles() if wanted is None else _if_wanted(wanted, spread)
    values = {name: jnp.where(answered, found[name], jnp.inf) for name in METRICS}
    limited, beyond = spread.beyond(limits)
    met = answered & (~limited | (beyond < jnp.asarray([EXCEEDED], dtype=float))).all()
    # Who exceeds any of the loosest; an upper bound, as one request may exceed several.
    loosest = jnp.min(jnp.where(limited, beyond, 1.0), axis=1)
    outside = jnp.sum(jnp.where(limited.any(axis=1), loosest, 0.0))
    attainment = jnp.where(answered, jnp.maximum(1.0 - outside, 0.0), 0.0)
    weight = case.sizes.prompt_weight
    prefill_s = total(weight * 0.5 * (flow.prefill_edges_s[1:] + flow.prefill_edges_s[:-1]))
    transfer_s = total(weight * 0.5 * (flow.transfer_edges_s[1:] + flow.transfer_edges_s[:-1]))
    spent = economics(
        case.cluster,
        mean_power_w(
            case.cluster,
            case.model,
            _use(case, flow),
            case.instance,
            # Only pools that decode count, and their iteration is known.
            lambda decode, instance: flow.step_s,
        ),
        jnp.maximum(throughput_rps, 1e-20),
        case.sizes.mean_steps + 1.0,
    )
    queue_s = total(weight * flow.before_prefill_s)
    return Metrics(
        **values,
        ttft_parts_s=jnp.where(answered, jnp.stack([queue_s, prefill_s]), jnp.inf),
        kv_transfer_s=jnp.where(answered, transfer_s + flow.link_wait_mean_s, jnp.inf),
        throughput_rps=throughput_rps,
        saturation_rps=saturation_rps,
        load_fraction=case.load.rate_rps / jnp.maximum(saturation_rps, 1e-20),
        utilisation=jnp.where(hosted, flow.utilisation, 0.0),
        bound=_bounds(case, flow),
        **{name: getattr(spent, name) for name in type(spent).__dataclass_fields__},
        machines=case.cluster.machines,
        slo_attainment=attainment,
        goodput_rps=attainment * throughput_rps,
        slo_met=jnp.where(met, 1.0, 0.0),
        status=status,
    )


def _use(case: Case, flow: Flow) -> Use:
    return Use(
        prompt_tokens=case.sizes.mean_prompt_tokens,
        context_tokens=case.sizes.decode_context_tokens,
        batch=flow.batch * jnp.ones_like(flow.utilisation),
        busy=flow.utilisation,
        prefilling=jnp.stack([jnp.ones(()), jnp.zeros(()), flow.prefilling]),
    )


def _if_wanted(wanted: Scalar, spread: Latencies) -> dict[str, jax.Array]:
    """Percentiles, or infinity; a real branch wherever all configurations want the same."""
    none = {name: jnp.full(len(EXCEEDED), jnp.inf) for name in METRICS}
    return jax.lax.cond(wanted > 0.0, Latencies.percentiles, lambda _: none, spread)


def _bounds(case: Case, flow: Flow) -> Scalar:
    """What limits a typical prefill and decode iteration, by roofline whatever the timing."""
    own = case.cluster.mixed.machines > 0.0

    def phase_bound(pool: Pool, batch: Batch) -> Scalar:
        serving = jax.tree.map(
            lambda one, mixed: jnp.where(own, mixed, one), pool, case.cluster.mixed
        )
        return bound(Roofline().resources_s(batch, case.model, case.instance(serving)))

    def both(*trees: Any) -> Any:
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)

    pools = both(case.cluster.prompt, case.cluster.token)
    batches = both(prefill_batch(case.sizes.mean_prompt_tokens), case.decoding(flow.batch))
    return jax.vmap(phase_bound)(pools, batches)
