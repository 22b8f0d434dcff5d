"""Constants of the prompt queue, fitted to simulations of single prompt pools.

Run as `python -m splitmodel_calibration.queues`; it takes some minutes. Pools are drawn at random:
machines, model, semantics, request sizes (traces, those of their kind, and short prompts of which
many fill a batch), machine count and load; half of them send prompts elsewhere. Of every two of a
kind the first is fitted to, the second one judges. The constants go by hand, rounded, into
`splitmodel.queueing.shortest_queue`, `company` and `bounded_wait`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from tqdm import tqdm

from splitmodel.cluster.case import Case
from splitmodel.cluster.costs import Costs, costs
from splitmodel.cluster.make_case import make_case
from splitmodel.cluster.prompt_pool import backlog_limit_s
from splitmodel.evaluate import Question, prepare
from splitmodel.queueing import bounded_wait as bounded
from splitmodel.queueing import company
from splitmodel.queueing import shortest_queue as shortest
from splitmodel.queueing.bounded_wait import REFERENCE_LOAD, BoundedFit
from splitmodel.queueing.company import Company, CompanyFit
from splitmodel.queueing.shortest_queue import Delays, Lengths, QueueFit, Sharing
from splitmodel.simulate.options import steady
from splitmodel.simulate.run import Outcome, run_all
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel.specs.semantics import SEMANTICS
from splitmodel.specs.workload import Workload
from splitmodel.validation.clusters import MODELS
from splitmodel_calibration.fit.problem import robust

POOLS, SEED, RUNS = 1200, 11, 2
"""Pools of each kind."""
REQUESTS = 40_000
"""Of a run."""
_MACHINES = ("DGX-A100", "DGX-H100")
_LOADS, _OFFERED = (0.35, 0.96), (0.6, 1.5)
"""Loads in full batches at which some wait: of pools that serve all, and of the others, for which
they may be more than they can do."""
_RARE = 0.05
"""Chance of a delay below which a pool counts less, as few requests tell its delays."""
_RAREST = 0.003
"""Pools below that do not count at all."""
_WIDTH = 0.1
"""Errors from which on they count linearly."""
_SEEN = 50
"""Delayed requests of a size below which their mean does not count."""
_MISSED = 0.02
"""Error of the mean service time over cells of sizes from which on a pool tells of that error."""
_SIZES = 3.0
"""Weight of the differences between sizes: they are small, and tell company from all else."""
_VARIATION = 0.5
"""Weight of the variation, of which a run tells less than of the others."""
_GONE = (0.1, 0.25)
"""Errors of the share elsewhere that count as much as an error of everything by a factor e: of all
prompts, and of those that go there."""


class OpenFit(NamedTuple):
    """Constants of pools that serve all, which only their delays together tell."""

    queue: QueueFit = shortest.FITTED
    company: CompanyFit = company.FITTED


class Pool(NamedTuple):
    """What decides about the delays of a pool; leaves gain an axis over pools."""

    service: Lengths
    alone: jax.Array
    packed: jax.Array
    servers: jax.Array
    sharing: Sharing
    limit_s: jax.Array
    """Backlog that each size of prompt accepts [s], [sizes]."""
    company: Company
    weight: jax.Array
    """Share of each size in the prompts, [sizes]."""
    work: jax.Array
    """Its share in the load, [sizes]."""

    def delays(self, fit: QueueFit = shortest.FITTED) -> Delays:
        """Delays of the open queue as the approximation has them."""
        alone, packed = self.alone, self.packed
        cycle_s = shortest.cycle_delay_s(self.service.mean_s, alone, packed, self.sharing, fit)
        return shortest.shortest_queue(
            self.service, alone, packed, 1.0 - packed, self.servers, cycle_s, self.sharing.pair, fit
        )

    def found(self, fit: OpenFit) -> Found:
        """What the fit of the open queue says."""
        delays = self.delays(fit.queue)
        company_s = self.company.delay_s(delays.chance, self.servers, fit.company)
        return Found(
            jnp.zeros(()), delays.chance, delays.mean_s + company_s, delays.variation, self.weight
        )

    def found_bounded(self, fit: BoundedFit) -> Found:
        """What the fit of the bounded queue says, behind the open one that ships."""
        _, stay = bounded.offered_queue(
            self.service,
            self.alone,
            self.packed,
            REFERENCE_LOAD,
            self.limit_s,
            self.servers,
            self.sharing,
            self.work,
            fit,
        )
        stays = self.weight * (1.0 - stay.elsewhere)
        delayed = stays * stay.chance
        variation = jnp.sum(delayed * stay.variance_s2) / jnp.sum(delayed * stay.mean_s**2)
        return Found(
            jnp.sum(self.weight * stay.elsewhere),
            jnp.sum(delayed) / jnp.sum(stays),
            stay.mean_s + self.company.delay_s(stay.chance, self.servers),
            variation,
            delayed / jnp.sum(delayed),
        )


class Found(NamedTuple):
    """Delays of a pool, simulated or not."""

    elsewhere: Any
    """Share of the prompts that goes elsewhere."""
    chance: Any
    """Share of the others that has a delay."""
    mean_s: Any
    """Mean delay of these, by size [s], [sizes]."""
    variation: Any
    """Squared coefficient of variation of the delays of a size."""
    share: Any
    """Share of each size in the delayed, 0 where they are few, [sizes]."""


def draw(rng: np.random.Generator, mixed_pool: bool = False) -> tuple[Pool, Found] | None:
    """A pool at random, and its simulation; with a mixed pool, prompts can go elsewhere.

    None where the pool tells little about queues.
    """
    server, model = rng.choice(_MACHINES), rng.choice(MODELS)
    machines = float(round(np.exp(rng.uniform(0.0, np.log(90.0)))))
    cluster = Cluster.splitwise(
        prompt=(server, machines), token=("DGX-H100", 60.0 + 3.0 * machines), mixed_pool=mixed_pool
    )
    load = _sizes(rng)
    question = prepare(
        [cluster],
        model,
        None,
        timing=None,
        semantics=str(rng.choice(list(SEMANTICS))),
        stack=None,
        reference=server,
        tier="analytic",
    )
    case = _case(question, cluster, load)
    cost = costs(case, case.instance(case.cluster.prompt))
    rate_rps = rng.uniform(*(_OFFERED if mixed_pool else _LOADS)) * machines / float(cost.packed_s)
    options = steady(duration_s=REQUESTS / rate_rps, seeds=RUNS)
    runs = run_all(
        question.setting(cluster),
        load.with_rate(rate_rps),
        options,
        partial(_delays_s, machines=machines),
        False,
    )
    delays_s = np.concatenate([delay_s for _, _, delay_s, _ in runs])
    tokens = np.concatenate([tokens for _, tokens, _, _ in runs])
    mean_service_s = np.mean([service_s for _, _, _, service_s in runs])
    delayed = delays_s > 0.0
    sizes = len(case.load.prompt_tokens)
    size = np.searchsorted(np.asarray(case.load.prompt_edges_tokens)[1:-1], tokens, side="right")
    count, total_s, total_s2 = (
        np.bincount(size[delayed], delays_s[delayed] ** power, minlength=sizes)
        for power in (0, 1, 2)
    )
    count = np.where(count < _SEEN, 0.0, count)
    mean_s = np.where(count > 0.0, total_s / np.maximum(count, 1.0), 1.0)
    seen_s2 = np.sum(count * mean_s**2)
    missed = abs(float(cost.service.mean_s) / mean_service_s - 1.0) > _MISSED
    if missed or delayed.mean() <= _RAREST or not count.any():
        return None
    return _pool(case, cost, rate_rps, machines), Found(
        1.0 - delays_s.size / sum(count for count, *_ in runs),
        delayed.mean(),
        mean_s,
        np.sum(np.where(count > 0.0, total_s2, 0.0)) / max(seen_s2, 1e-30) - 1.0,
        count / max(np.sum(count), 1.0),
    )


def _sizes(rng: np.random.Generator) -> Workload:
    """Prompts of a trace, or lognormal ones with short outputs."""
    kind = rng.integers(3)
    if kind == 0:
        return Workload.azure(str(rng.choice(list(AZURE_TRACES))), rate_rps=1.0)
    least, most = ((150.0, 3000.0), (180.0, 700.0))[kind - 1]
    mean, spread = np.exp(rng.uniform(np.log(least), np.log(most))), rng.uniform(0.3, 1.3)
    prompts = mean * np.exp(spread * rng.standard_normal(4000) - 0.5 * spread**2)
    prompts = np.clip(np.rint(prompts), 1.0, 12_000.0)
    return Workload.from_arrays(prompts, np.full(4000, 8.0), rate_rps=1.0)


def _case(question: Question, cluster: Cluster, load: Workload) -> Case:
    case, _, _ = make_case(
        cluster,
        load,
        question.model,
        slo=question.slo,
        timing=question.timing,
        semantics=question.semantics,
        stack=question.stack,
        reference=question.reference,
    )
    return case


def _pool(case: Case, cost: Costs, rate_rps: float, machines: float) -> Pool:
    weight, service = case.sizes.prompt_weight, cost.service
    return Pool(
        service=service.lengths(weight),
        alone=rate_rps * service.mean_s / machines,
        packed=rate_rps * cost.packed_s / machines,
        servers=jnp.asarray(machines),
        sharing=cost.sharing,
        limit_s=backlog_limit_s(case, cost),
        company=cost.company,
        weight=weight,
        work=cost.work,
    )


def _delays_s(outcome: Outcome, machines: float) -> tuple[int, np.ndarray, np.ndarray, float]:
    """Prompts that came; of those that the pool served, tokens and delays [s]; mean service of all.

    A delay is the time to the first token beyond a prefill alone, 0 where a machine was free; the
    service is one alone [s].
    """
    requests = outcome.requests[outcome.trace.counted]
    own = requests[requests["prompt_server"] < machines]
    waited = own["prefill_start_s"] - own["arrival_s"] > 1e-9
    alone_s = outcome.tables.prefill_alone_s[own["prompt_tokens"]]
    delay_s = np.where(waited, own["prefill_end_s"] - own["arrival_s"] - alone_s, 0.0)
    service_s = outcome.tables.prefill_alone_s[requests["prompt_tokens"]].mean()
    return len(requests), own["prompt_tokens"], delay_s, service_s


@partial(jax.jit, static_argnames="find")
def errors(
    fit: Any, pools: Pool, simulated: Found, find: Callable[..., Found]
) -> dict[str, jax.Array]:
    """Errors by name, as logarithms but for the share elsewhere, [pools]; of sizes [pools, sizes].

    Those of sizes are of their means over the mean of all. Pools in which few wait have small ones.
    """
    found = jax.vmap(lambda pool: find(pool, fit))(pools)
    gone = (found.elsewhere - simulated.elsewhere) / (_GONE[0] + _GONE[1] * simulated.elsewhere)
    seen = jnp.minimum(jnp.sqrt(simulated.chance / _RARE), 1.0)

    def logs(one: jax.Array, another: jax.Array) -> jax.Array:
        return (seen * jnp.log(jnp.maximum(one / another, 1e-6)).T).T

    share = simulated.share
    mean_s, run_s = (jnp.sum(share * each.mean_s, axis=1) for each in (found, simulated))
    return {
        "elsewhere": gone,
        "chance": logs(found.chance, simulated.chance),
        "mean": logs(mean_s, run_s),
        "sizes": logs((found.mean_s.T / mean_s).T, (simulated.mean_s.T / run_s).T),
        "variation": logs(found.variation, simulated.variation),
    }


def residuals(
    fit: Any, pools: Pool, simulated: Found, find: Callable[..., Found]
) -> dict[str, jax.Array]:
    """The same as least squares take them."""
    off = errors(fit, pools, simulated, find)
    off = {name: robust(each, _WIDTH) for name, each in off.items()}
    return off | {
        "sizes": _SIZES * jnp.sqrt(simulated.share) * off["sizes"],
        "variation": _VARIATION * off["variation"],
    }


def main() -> None:
    """Fit to every other pool of a kind, and tell the errors on both halves."""
    rng = np.random.default_rng(SEED)
    kinds = (
        ("pools that serve all", OpenFit(), Pool.found, False),
        ("pools that send prompts elsewhere", bounded.FITTED, Pool.found_bounded, True),
    )
    for kind, shipped, find, mixed_pool in kinds:
        drawn = [draw(rng, mixed_pool) for _ in tqdm(range(POOLS), unit="pool")]
        drawn = [each for each in drawn if each is not None]
        halves = _stacked(drawn[::2]), _stacked(drawn[1::2])
        start = jax.tree.map(jnp.asarray, shipped)
        # As logarithms, all of them stay positive.
        logs = optimistix.least_squares(
            lambda logs, halves, find=find: residuals(
                jax.tree.map(jnp.exp, logs), halves[0][0], halves[0][1], find
            ),
            optimistix.LevenbergMarquardt(rtol=1e-4, atol=1e-4),
            jax.tree.map(jnp.log, start),
            halves,
            max_steps=200,
            throw=False,
        ).value
        found = jax.tree.map(jnp.exp, logs)
        print(kind)
        for (path, value), at_start in zip(
            jax.tree.leaves_with_path(found), jax.tree.leaves(start), strict=True
        ):
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            print(f"{name:20} {float(value):6.3f}, shipped {float(at_start):6.3f}")
        for fit, label in ((found, "fitted"), (start, "shipped")):
            for half, which in zip(halves, ("fitted to", "others"), strict=True):
                off = errors(fit, *half, find)
                off["sizes"] = jnp.sqrt(jnp.sum(half[1].share * off["sizes"] ** 2, axis=1))
                told = ", ".join(
                    f"{name} {np.median(np.abs(each)):.1%} ({np.quantile(np.abs(each), 0.9):.1%})"
                    for name, each in off.items()
                )
                count = half[0].alone.size
                print(f"{label}, {which}, {count} pools, median (P90) error: {told}")


def _stacked(drawn: Sequence[tuple[Pool, Found]]) -> tuple[Pool, Found]:
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *drawn)


if __name__ == "__main__":
    main()
