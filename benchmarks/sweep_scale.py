"""What a sweep costs as it grows, in time and in memory.

    python benchmarks/sweep_scale.py [largest] [all]

Sweeps spaces from a hundredth of the largest (100 million) up to it to a Pareto front: with a
function in place of the model that takes next to no time, which leaves the machinery alone; then
with the model, up to a tenth, for the outputs that the front needs; and with `all` for every
output, up to a hundredth. Prints time per configuration, against that of the smallest space, and
the most memory that the process had; then the time of ten thousand configurations from end to end,
once compiled. Exit code 1 if time per configuration grows by more than 1.3, memory passes 2 GiB,
or ten thousand configurations take longer than 50 ms.
"""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

import splitmodel as sm
from splitmodel.sweep import run

GROWTH, MEMORY_GIB, SMALL_S = 1.3, 2.0, 0.05
"""Limits."""
LOAD = sm.Workload.azure("conv", rate_rps=50.0)
FRONT = sm.Pareto(minimise="cost_usd_per_hour", maximise="throughput_rps")
ASKED = {"model": "bloom-176b", "reduce": FRONT}
NEEDED = ("cost_usd_per_hour", "throughput_rps", "slo_met", "status")


class Nothing(eqx.Module):
    """Outputs that a front needs, from a handful of operations."""

    question: Any
    names: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, cluster: sm.Cluster, load: sm.Workload) -> dict[str, Any]:
        capacity_rps = jnp.minimum(2.0 * cluster.prompt.machines, 3.0 * cluster.token.machines)
        outputs = {
            "cost_usd_per_hour": cluster.usd_per_hour,
            "throughput_rps": load.rate_rps,
            "slo_met": jnp.where(load.rate_rps < capacity_rps, 1.0, 0.0),
            "status": jnp.zeros_like(load.rate_rps),
        }
        return {name: outputs[name] for name in self.names}


def space(size: int) -> sm.DesignSpace:
    """About so many configurations: two designs, equally many counts, a hundred rates."""
    counts = round((size / 200) ** 0.5)
    return sm.DesignSpace(
        design=["HH", "HA"],
        prompt=range(1, counts + 1),
        token=range(1, counts + 1),
        rate_rps=np.linspace(10.0, 1000.0, 100),
    )


def sweep_s(asked: sm.DesignSpace, **options: Any) -> float:
    """Time of one sweep [s]."""
    start = time.perf_counter()
    sm.sweep(asked, LOAD, **(ASKED | options))
    return time.perf_counter() - start


def memory_gib() -> float:
    """Most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def growth(name: str, largest: int, **options: Any) -> float:
    """Time per configuration of the largest space over that of the smallest."""
    print(f"{name}: first answer {sweep_s(space(1000), **options):.1f} s")
    each_us = []
    for size in (largest // 100, largest // 10, largest):
        asked = space(size)
        taken_s = sweep_s(asked, **options)
        each_us.append(1e6 * taken_s / len(asked))
        print(
            f"{len(asked):>15,} configurations: {taken_s:8.2f} s, {each_us[-1]:7.3f} µs each, "
            f"{1e6 / each_us[-1]:12,.0f}/s, {each_us[-1] / each_us[0]:.2f} of the smallest, "
            f"memory {memory_gib():.2f} GiB"
        )
    return each_us[-1] / each_us[0]


def small_s(**options: Any) -> float:
    """Least time of ten thousand configurations, once compiled [s]."""
    sweep_s(space(10_000), **options)
    return min(sweep_s(space(10_000), **options) for _ in range(5))


def main(largest: int, every_output: bool) -> int:
    chosen: Callable[..., Any] = run.Chosen
    run.Chosen = Nothing
    grown = [growth("machinery alone", largest)]
    small = [small_s()]
    run.Chosen = chosen
    grown.append(growth("outputs of a front", largest // 10))
    small.append(small_s())
    if every_output:
        names = list(sm.Metrics.__dataclass_fields__)
        grown.append(growth("every output", largest // 100, variables=names))
        small.append(small_s(variables=names))
    print(f"10,000 configurations: {', '.join(f'{1e3 * each:.1f} ms' for each in small)}")
    return int(max(grown) > GROWTH or memory_gib() > MEMORY_GIB or max(small) > SMALL_S)


if __name__ == "__main__":
    sizes = [int(float(each)) for each in sys.argv[1:] if each != "all"]
    sys.exit(main(sizes[0] if sizes else 100_000_000, "all" in sys.argv[1:]))
