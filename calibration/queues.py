"""Constants of the prompt queue, fitted to simulations of single prompt pools.

Run as `python -m splitmodel_calibration.queues`; it takes some minutes. Pools are drawn at random:
machines, model, semantics, request sizes, machine count and load; half of them send prompts
elsewhere. Of every two of a kind the first is fitted to, the second one judges. The constants go by
hand, rounded, into `splitmodel.queueing.shortest_queue` and `splitmodel.queueing.bounded_wait`.
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
from splitmodel.queueing import shortest_queue as shortest
from splitmodel.queueing.bounded_wait import REFERENCE_LOAD, BoundedFit
from splitmodel.queueing.shortest_queue import Delays, Lengths, QueueFit, Sharing
from splitmodel.simulate.options import steady
from splitmodel.simulate.run import Outcome, run_all
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel.specs.semantics import SEMANTICS
from splitmodel.specs.workload import Workload
from splitmodel.validation.clusters import MODELS
from splitmodel_calibration.fit.problem import robust

POOLS, SEED, RUNS = 800, 11, 2
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
_VARIATION = 0.5
"""Weight of the variation, of which a run tells less than of the others."""
_GONE = (0.1, 0.25)
"""Errors of the share elsewhere that count as much as an error of everything by a factor e: of all
prompts, and of those that go there."""


class Pool(NamedTuple):
    """What decides about the delays of a pool; leaves gain an axis over pools."""

    service: Lengths
    alone: jax.Array
    packed: jax.Array
    servers: jax.Array
    sharing: Sharing
    limit_s: jax.Array
    """Backlog that each size of prompt accepts [s], [sizes]."""
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

    def found(self, fit: QueueFit) -> Found:
        """What the fit of the open queue says."""
        delays = self.delays(fit)
        return Found(jnp.zeros(()), delays.chance, delays.mean_s, delays.variation)

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
        mean_s = jnp.sum(delayed * stay.mean_s) / jnp.sum(delayed)
        second_s2 = jnp.sum(delayed * (stay.variance_s2 + stay.mean_s**2)) / jnp.sum(delayed)
        return Found(
            jnp.sum(self.weight * stay.elsewhere),
            jnp.sum(delayed) / jnp.sum(stays),
            mean_s,
            second_s2 / mean_s**2 - 1.0,
        )


class Found(NamedTuple):
    """Delays of a pool, simulated or not."""

    elsewhere: Any
    """Share of the prompts that goes elsewhere."""
    chance: Any
    """Share of the others that has a delay; mean and variation as in `Delays`."""
    mean_s: Any
    variation: Any


def draw(rng: np.random.Generator, mixed_pool: bool = False) -> tuple[Pool, Found]:
    """A pool at random, and its simulation; with a mixed pool, prompts can go elsewhere."""
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
    delays_s = np.concatenate([delay_s for _, delay_s in runs])
    delayed_s = delays_s[delays_s > 0.0]
    mean_s = delayed_s.mean() if delayed_s.size else np.nan
    return _pool(case, cost, rate_rps, machines), Found(
        1.0 - delays_s.size / sum(count for count, _ in runs),
        delayed_s.size / delays_s.size,
        mean_s,
        delayed_s.var() / mean_s**2,
    )


def _sizes(rng: np.random.Generator) -> Workload:
    """Prompts of a trace, or lognormal ones with short outputs."""
    if rng.uniform() < 1.0 / 3.0:
        return Workload.azure(str(rng.choice(list(AZURE_TRACES))), rate_rps=1.0)
    mean, spread = np.exp(rng.uniform(np.log(150.0), np.log(3000.0))), rng.uniform(0.3, 1.3)
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
        weight=weight,
        work=cost.work,
    )


def _delays_s(outcome: Outcome, machines: float) -> tuple[int, np.ndarray]:
    """How many prompts came, and the delays of those that the pool served [s].

    A delay is the time to the first token beyond a prefill alone, 0 where a machine was free.
    """
    requests = outcome.requests[outcome.trace.counted]
    own = requests[requests["prompt_server"] < machines]
    waited = own["prefill_start_s"] - own["arrival_s"] > 1e-9
    alone_s = outcome.tables.prefill_alone_s[own["prompt_tokens"]]
    delay_s = np.where(waited, own["prefill_end_s"] - own["arrival_s"] - alone_s, 0.0)
    return len(requests), delay_s


@partial(jax.jit, static_argnames=("find", "width"))
def errors(
    fit: Any, pools: Pool, simulated: Found, find: Callable[..., Found], width: float | None
) -> jax.Array:
    """Errors of the four fields of `Found`, [4, pools], as logarithms but for the first.

    With a width they are weighted, and `robust`.
    """
    found = jax.vmap(lambda pool: find(pool, fit))(pools)
    gone = (found.elsewhere - simulated.elsewhere) / (_GONE[0] + _GONE[1] * simulated.elsewhere)
    seen = jnp.minimum(jnp.sqrt(simulated.chance / _RARE), 1.0)
    ratios = [each / other for each, other in zip(found[1:], simulated[1:], strict=True)]
    logs = jnp.log(jnp.maximum(jnp.stack(ratios), 1e-6)) * seen
    if width is None:
        return jnp.concatenate([gone[None], logs])
    weights = jnp.asarray([1.0, 1.0, _VARIATION])[:, None]
    return robust(jnp.concatenate([gone[None], weights * logs]), width)


def main() -> None:
    """Fit to every other pool of a kind, and tell the errors on both halves."""
    rng = np.random.default_rng(SEED)
    kinds = (
        ("pools that serve all", shortest.FITTED, Pool.found, False),
        ("pools that send prompts elsewhere", bounded.FITTED, Pool.found_bounded, True),
    )
    for kind, shipped, find, mixed_pool in kinds:
        drawn = [draw(rng, mixed_pool) for _ in tqdm(range(POOLS), unit="pool")]
        drawn = [(pool, found) for pool, found in drawn if found.chance > _RAREST]
        halves = _stacked(drawn[::2]), _stacked(drawn[1::2])
        start = jax.tree.map(jnp.asarray, shipped)
        # As logarithms, all of them stay positive.
        logs = optimistix.least_squares(
            lambda logs, halves, find=find: errors(
                jax.tree.map(jnp.exp, logs), *halves[0], find, _WIDTH
            ),
            optimistix.LevenbergMarquardt(rtol=1e-4, atol=1e-4),
            jax.tree.map(jnp.log, start),
            halves,
            max_steps=200,
            throw=False,
        ).value
        found = jax.tree.map(jnp.exp, logs)
        print(kind)
        for name, value, at_start in zip(shipped._fields, found, start, strict=True):
            print(f"{name:13} {float(value):6.3f}, shipped {float(at_start):6.3f}")
        for fit, label in ((found, "fitted"), (start, "shipped")):
            for half, which in zip(halves, ("fitted to", "others"), strict=True):
                off = np.abs(errors(fit, *half, find, None))
                told = ", ".join(
                    f"{name} {np.median(each):.1%} ({np.quantile(each, 0.9):.1%})"
                    for name, each in zip(Found._fields, off, strict=True)
                )
                count = half[0].alone.size
                print(f"{label}, {which}, {count} pools, median (P90) error: {told}")


def _stacked(drawn: Sequence[tuple[Pool, Found]]) -> tuple[Pool, Found]:
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *drawn)


if __name__ == "__main__":
    main()
