"""Constants of the prompt queue, fitted to simulations of single prompt pools.

Run as `python -m splitmodel_calibration.queues`; it takes some minutes. Pools are drawn at random:
machines, model, semantics, request sizes (traces, and lognormal ones), machine count, and
whether prompts go elsewhere. The load is near that at which one of the paper's SLOs of TTFT just
holds, as the constants that ship have it: what is fitted is what SLOs ask for, the share of prompts
whose TTFT is more than so many times that alone. Of every two pools the first is fitted to, the
second one judges. The constants go by hand, rounded, into `splitmodel.queueing.shortest_queue`,
`company` and `bounded_wait`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from splitmodel.cluster.case import Case
from splitmodel.cluster.costs import costs
from splitmodel.cluster.latency import reference_times_s
from splitmodel.cluster.make_case import make_case
from splitmodel.cluster.prompt_pool import FITTED, Fits, PromptQueue, prompt_queue
from splitmodel.cluster.request_cells import between, widened
from splitmodel.evaluate import Question, prepare
from splitmodel.queueing.delay import delay_from_moments
from splitmodel.queueing.percentile import EXCEEDED, Requests, tails
from splitmodel.simulate.options import steady
from splitmodel.simulate.run import Outcome, run_all
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel.specs.semantics import SEMANTICS
from splitmodel.specs.slo import SLO
from splitmodel.specs.workload import Workload
from splitmodel.validation.clusters import MODELS
from splitmodel_calibration.halves import fit_halves, stacked

POOLS, SEED, RUNS = 1200, 11, 2
REQUESTS = 60_000
"""Of a run."""
_MACHINES = ("DGX-A100", "DGX-H100")
_REFERENCE = "DGX-A100"
_LIMITS = np.asarray(SLO.splitwise().ttft_slowdown)
"""Of the paper, at P50, P90 and P99."""
_MIXED = 0.7
"""Share of the pools that send prompts elsewhere."""
_LOADS, _MOST = np.linspace(0.3, 1.2, 31), 0.97
"""Loads in full batches at which the SLOs are looked for; of pools that serve all, the most."""
_NEAR = (0.86, 1.03)
"""Of the load at which one just holds."""
_RAREST = 0.005
"""Pools in which fewer wait tell nothing."""
_SEEN = 50
"""Delayed requests of a size below which their mean does not count."""
_RARE = 0.05
"""Chance of a delay below which a pool's mean and chance count less, as few requests tell them."""
_FAR = 1.2
"""Logarithm of a share beyond an SLO over what that allows, at which it counts little."""
_FEWEST = 2e-3
"""Share beyond an SLO that a run does not tell."""
_GONE, _GONE_SEEN = 2e-4, 3e-3
"""Share elsewhere that is as good as none, and below which it counts less, as few prompts tell."""
_WEIGHTS = {
    "beyond": (1.5, 0.15),
    "elsewhere": (1.0, 0.3),
    "chance": (1.0, 0.1),
    "mean": (1.0, 0.1),
    "sizes": (3.0, 0.1),
    "variation": (0.5, 0.1),
}
"""Of each error, and from which size on it counts linearly. Sizes differ little, and tell company
from all else; of the variation, a run tells less than of the others."""
_KEPT = 2.25
"""Weight of a constant's distance from what ships, as a logarithm: pools at such loads do not tell
them all, and without it some end at zero."""


class Pool(NamedTuple):
    """A pool, and what TTFT is compared with; leaves gain an axis over pools."""

    queue: PromptQueue
    weight: jax.Array
    """Share of each size in the prompts, [sizes]."""
    reference_edges_s: jax.Array
    """Prefill alone on the reference machine, at the cells' edges [s], [sizes+1]."""

    def found(self, fits: Fits) -> Found:
        """What the approximation says."""
        service, pool = self.queue.service, self.queue.pool(fits)
        stays = self.weight * (1.0 - pool.elsewhere)
        stays = stays / jnp.sum(stays)
        span = widened(between(service.edges_s), 0.0, pool.even_s2)
        alone = between(self.reference_edges_s)
        delay = delay_from_moments(pool.mean_s, pool.variance_s2 - pool.even_s2)
        delayed = stays * pool.chance
        waiting = Requests(span.low, span.high, alone.low, alone.high, delay, delayed)
        share = delayed / jnp.sum(delayed)
        variation = jnp.sum(share * pool.variance_s2) / jnp.sum(share * pool.mean_s**2)
        elsewhere = jnp.sum(self.weight * pool.elsewhere)
        beyond = tails((waiting,), jnp.asarray(_LIMITS))
        return Found(beyond, elsewhere, jnp.sum(delayed), pool.mean_s, variation, share)


class Found(NamedTuple):
    """Delays of a pool, simulated or not."""

    beyond: Any
    """Share of those that stay whose TTFT is beyond each SLO, [3]."""
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


def draw(rng: np.random.Generator, mixed_pool: bool | None = None) -> tuple[Pool, Found] | None:
    """A pool at random, and its simulation; with a mixed pool, prompts can go elsewhere.

    None where hardly any prompt waits.
    """
    server, model = str(rng.choice(_MACHINES)), str(rng.choice(MODELS))
    machines = float(round(np.exp(rng.uniform(np.log(2.0), np.log(80.0)))))
    mixed = rng.random() < _MIXED if mixed_pool is None else mixed_pool
    cluster = Cluster.splitwise(
        prompt=(server, machines), token=("DGX-H100", 60.0 + 3.0 * machines), mixed_pool=mixed
    )
    load = _sizes(rng)
    # The simulation tells times alone on what it calls the reference.
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
    case, reference_edges_s = _case(question, cluster, load)
    cost = costs(case, case.instance(case.cluster.prompt))

    def at(packed: float) -> Pool:
        rate_rps = packed * machines / float(cost.packed_s)
        queue = prompt_queue(case, cost, rate_rps, jnp.asarray(machines), mixed)
        return Pool(queue, case.sizes.prompt_weight, reference_edges_s)

    loads = _LOADS if mixed else _LOADS[_LOADS < _MOST]
    beyond = np.asarray(_found(FITTED, stacked([at(packed) for packed in loads])).beyond)
    fails = (beyond > np.asarray(EXCEEDED)).any(axis=1)
    knee = loads[np.argmax(fails)] if fails.any() else loads[-1]
    packed = knee * rng.uniform(*_NEAR)
    packed = packed if mixed else min(packed, _MOST)
    rate_rps = packed * machines / float(cost.packed_s)
    options = steady(duration_s=REQUESTS / rate_rps, seeds=RUNS)
    runs = run_all(
        question.setting(cluster),
        load.with_rate(rate_rps),
        options,
        partial(_delays_s, machines=machines),
        False,
    )
    delays_s = np.concatenate([delay_s for _, _, delay_s in runs])
    tokens = np.concatenate([tokens for _, tokens, _ in runs])
    pool, edges = at(packed), np.asarray(case.load.prompt_edges_tokens)
    alone_s = np.interp(tokens, edges, pool.queue.service.edges_s)
    slowdown = (delays_s + alone_s) / np.interp(tokens, edges, reference_edges_s)
    delayed = delays_s > 0.0
    sizes = len(edges) - 1
    size = np.searchsorted(edges[1:-1], tokens, side="right")
    count, total_s, total_s2 = (
        np.bincount(size[delayed], delays_s[delayed] ** power, minlength=sizes)
        for power in (0, 1, 2)
    )
    count = np.where(count < _SEEN, 0.0, count)
    if delayed.mean() <= _RAREST or not count.any():
        return None
    mean_s = np.where(count > 0.0, total_s / np.maximum(count, 1.0), 1.0)
    return pool, Found(
        (slowdown[:, None] > _LIMITS).mean(axis=0),
        1.0 - delays_s.size / sum(count for count, *_ in runs),
        delayed.mean(),
        mean_s,
        np.sum(np.where(count > 0.0, total_s2, 0.0)) / np.sum(count * mean_s**2) - 1.0,
        count / np.sum(count),
    )


def _sizes(rng: np.random.Generator) -> Workload:
    """Prompts of a trace, or lognormal ones with short outputs."""
    if rng.random() < 0.55:
        return Workload.azure(str(rng.choice(list(AZURE_TRACES))), rate_rps=1.0)
    mean, spread = np.exp(rng.uniform(np.log(220.0), np.log(2300.0))), rng.uniform(0.35, 1.3)
    prompts = mean * np.exp(spread * rng.standard_normal(4000) - 0.5 * spread**2)
    prompts = np.clip(np.rint(prompts), 1.0, 12_000.0)
    return Workload.from_arrays(prompts, np.full(4000, 8.0), rate_rps=1.0)


def _case(question: Question, cluster: Cluster, load: Workload) -> tuple[Case, jax.Array]:
    """The case, and prefill alone on the paper's reference at the prompt cells' edges [s]."""
    case, reference, _ = make_case(
        cluster,
        load,
        question.model,
        slo=question.slo,
        timing=question.timing,
        semantics=question.semantics,
        stack=question.stack,
        reference=_REFERENCE,
    )
    return case, reference_times_s(case, reference)[0]


def _delays_s(outcome: Outcome, machines: float) -> tuple[int, np.ndarray, np.ndarray]:
    """Prompts that came; of those that the pool served, tokens and delays [s].

    A delay is the time to the first token beyond a prefill alone, 0 where a machine was free.
    """
    requests = outcome.requests[outcome.trace.counted]
    own = requests[requests["prompt_server"] < machines]
    waited = own["prefill_start_s"] - own["arrival_s"] > 1e-9
    alone_s = outcome.tables.prefill_alone_s[own["prompt_tokens"]]
    delay_s = np.where(waited, own["prefill_end_s"] - own["arrival_s"] - alone_s, 0.0)
    return len(requests), own["prompt_tokens"], delay_s


@jax.jit
def _found(fits: Fits, pools: Pool) -> Found:
    return jax.vmap(lambda pool: pool.found(fits))(pools)


def errors(fits: Fits, pools: Pool, simulated: Found) -> dict[str, jax.Array]:
    """Errors by name, as logarithms, [pools].

    Those beyond SLOs are [pools, 3], those of sizes are of their means over the mean of all and are
    [pools, sizes]. What is seldom seen has small ones, and shares far from what an SLO allows.
    """
    found = _found(fits, pools)
    gone = jnp.log((found.elsewhere + _GONE) / (simulated.elsewhere + _GONE))
    gone = jnp.minimum(jnp.sqrt(simulated.elsewhere / _GONE_SEEN), 1.0) * gone
    seen = jnp.minimum(jnp.sqrt(simulated.chance / _RARE), 1.0)
    away = jnp.log(jnp.maximum(simulated.beyond, 1e-6) / jnp.asarray(EXCEEDED)) / _FAR
    near = jnp.where(simulated.beyond > _FEWEST, jnp.exp(-0.5 * away**2), 0.0)
    share = simulated.share
    mean_s, run_s = (jnp.sum(share * each.mean_s, axis=1) for each in (found, simulated))
    return {
        "beyond": near * _log(found.beyond, simulated.beyond),
        "elsewhere": gone,
        "chance": seen * _log(found.chance, simulated.chance),
        "mean": seen * _log(mean_s, run_s),
        "sizes": jnp.sqrt(share)
        * (seen * _log((found.mean_s.T / mean_s), (simulated.mean_s.T / run_s))).T,
        "variation": seen * _log(found.variation, simulated.variation),
    }


def _log(one: jax.Array, another: jax.Array) -> jax.Array:
    return jnp.log(jnp.maximum(one, 1e-6) / jnp.maximum(another, 1e-6))


def _tightest(off: dict[str, jax.Array], simulated: Found) -> dict[str, jax.Array]:
    """Of the errors beyond SLOs, that of the one that fails first; those of sizes together."""
    first = jnp.argmax(simulated.beyond / jnp.asarray(EXCEEDED), axis=1)[:, None]
    beyond = jnp.take_along_axis(off["beyond"], first, axis=1)
    return off | {"beyond": beyond, "sizes": jnp.linalg.norm(off["sizes"], axis=1)}


def main() -> None:
    """Fit to every other pool, and tell the errors on both halves."""
    rng = np.random.default_rng(SEED)
    drawn = [draw(rng) for _ in tqdm(range(POOLS), unit="pool")]
    drawn = [each for each in drawn if each is not None]
    fit_halves(drawn, FITTED, errors, _WEIGHTS, _KEPT, "pools", _tightest)


if __name__ == "__main__":
    main()
