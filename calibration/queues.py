"""Constants of the prompt queue, fitted to simulations of single prompt pools.

Run as `python -m splitmodel_calibration.queues`; it takes some minutes. Pools are drawn at random:
machines, model, request sizes, machine count and load. Of every two the first is fitted to, the
second one judges. The constants go by hand, rounded, into `splitmodel.queueing.shortest_queue`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from tqdm import tqdm

from splitmodel.cluster.costs import costs
from splitmodel.cluster.make_case import make_case
from splitmodel.evaluate import prepare
from splitmodel.queueing.shortest_queue import FITTED, Delays, Lengths, QueueFit, shortest_queue
from splitmodel.simulate.options import steady
from splitmodel.simulate.run import Outcome, run_all
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.workload import Workload
from splitmodel.validation.clusters import MODELS
from splitmodel_calibration.fit.problem import robust

POOLS, SEED, RUNS = 160, 11, 2
REQUESTS = 15_000
"""Of a run."""
_MACHINES = ("DGX-A100", "DGX-H100")
_RARE = 0.05
"""Chance of a delay below which a pool counts less, as few requests tell its delays."""
_WIDTH = 0.1
"""Errors from which on they count linearly."""


class Pool(NamedTuple):
    """What decides about the delays of a pool; leaves gain an axis over pools."""

    service: Lengths
    alone: jax.Array
    packed: jax.Array
    servers: jax.Array

    def delays(self, fit: QueueFit) -> Delays:
        """Delays as the approximation has them."""
        return shortest_queue(
            self.service, self.alone, self.packed, 1.0 - self.packed, self.servers, fit
        )


class Simulated(NamedTuple):
    """Delays of a pool as simulation has them; fields as in `Delays`."""

    chance: float
    mean_s: float
    variation: float


def draw(rng: np.random.Generator) -> tuple[Pool, Simulated]:
    """A pool at random, and its simulation."""
    server, model = rng.choice(_MACHINES), rng.choice(MODELS)
    machines = float(round(np.exp(rng.uniform(0.0, np.log(60.0)))))
    cluster = Cluster.splitwise(
        prompt=(server, machines), token=("DGX-H100", 60.0 + 3.0 * machines), mixed_pool=False
    )
    mean, spread = np.exp(rng.uniform(np.log(150.0), np.log(3000.0))), rng.uniform(0.3, 1.3)
    prompts = mean * np.exp(spread * rng.standard_normal(4000) - 0.5 * spread**2)
    prompts = np.clip(np.rint(prompts), 1.0, 12_000.0)
    load = Workload.from_arrays(prompts, np.full(4000, 8.0), rate_rps=1.0)
    question = prepare(
        [cluster],
        model,
        None,
        timing=None,
        semantics="splitwise-sim",
        stack=None,
        reference=server,
        tier="analytic",
    )
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
    cost = costs(case, case.instance(case.cluster.prompt))
    # Loads at which some wait and nobody waits for ever, whether or not batches are needed.
    rate_rps = rng.uniform(0.35, 0.9) * machines / float(cost.packed_s)
    pool = Pool(
        cost.service.lengths(case.sizes.prompt_weight),
        rate_rps * cost.service.mean_s / machines,
        rate_rps * cost.packed_s / machines,
        jnp.asarray(machines),
    )
    options = steady(duration_s=REQUESTS / rate_rps, seeds=RUNS)
    delays_s = run_all(
        question.setting(cluster), load.with_rate(rate_rps), options, _delays_s, False
    )
    delayed_s = np.concatenate([delay_s[delay_s > 0.0] for delay_s in delays_s])
    mean_s = delayed_s.mean() if delayed_s.size else np.nan
    return pool, Simulated(
        delayed_s.size / sum(delay_s.size for delay_s in delays_s),
        mean_s,
        delayed_s.var() / mean_s**2,
    )


def _delays_s(outcome: Outcome) -> np.ndarray:
    """Time to the first token beyond a prefill alone of whom found all machines busy, else 0."""
    requests = outcome.requests[outcome.trace.counted]
    waited = requests["prefill_start_s"] - requests["arrival_s"] > 1e-9
    alone_s = outcome.tables.prefill_alone_s[requests["prompt_tokens"]]
    return np.where(waited, requests["prefill_end_s"] - requests["arrival_s"] - alone_s, 0.0)


@partial(jax.jit, static_argnames="width")
def errors(fit: QueueFit, pools: Pool, simulated: Simulated, width: float | None) -> jax.Array:
    """Logarithms of approximate over simulated delays, [3, pools]; `robust` with a width."""
    delays = jax.vmap(lambda pool: pool.delays(fit))(pools)
    ratios = [getattr(delays, name) / getattr(simulated, name) for name in Simulated._fields]
    logs = jnp.log(jnp.stack(ratios)) * jnp.minimum(jnp.sqrt(simulated.chance / _RARE), 1.0)
    return logs if width is None else robust(logs, width)


def main() -> None:
    """Fit to every other pool, and tell the errors on both halves."""
    rng = np.random.default_rng(SEED)
    drawn = [draw(rng) for _ in tqdm(range(POOLS), unit="pool")]
    drawn = [(pool, found) for pool, found in drawn if 0.003 < found.chance < 0.97]
    halves = [
        jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *half)
        for half in (drawn[::2], drawn[1::2])
    ]
    start = jax.tree.map(jnp.asarray, FITTED)
    # As logarithms, all of them stay positive.
    logs = optimistix.least_squares(
        lambda logs, _: errors(jax.tree.map(jnp.exp, logs), *halves[0], _WIDTH),
        optimistix.LevenbergMarquardt(rtol=1e-4, atol=1e-4),
        jax.tree.map(jnp.log, start),
        max_steps=200,
        throw=False,
    ).value
    found = jax.tree.map(jnp.exp, logs)
    for name, value, shipped in zip(QueueFit._fields, found, start, strict=True):
        print(f"{name:13} {float(value):6.3f}, shipped {float(shipped):6.3f}")
    for fit, label in ((found, "fitted"), (start, "shipped")):
        for half, kind in zip(halves, ("fitted to", "others"), strict=True):
            off = np.abs(errors(fit, *half, None))
            told = ", ".join(
                f"{name} {np.median(each):.1%} ({np.quantile(each, 0.9):.1%})"
                for name, each in zip(Simulated._fields, off, strict=True)
            )
            print(f"{label}, {kind}, {half[0].alone.size} pools, median (P90) error: {told}")


if __name__ == "__main__":
    main()
