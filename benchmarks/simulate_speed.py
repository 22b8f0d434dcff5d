"""Speed of the request-level tier: the authors' 40-machine cluster at its limit.

    python benchmarks/simulate_speed.py [runs]

Splitwise-HH with 25 + 15 machines serves BLOOM-176B on the conversation trace at 130 requests/s
for 120 s, drawn anew in each run. Prints the milliseconds of one run on one core, event loop and
results, and then what 1,000 runs (or as many as asked for) take on all cores, with the memory of
the process. Compilation and tables are left out; both are kept for further runs. Exit code 1 if a
limit is passed.
"""

import resource
import sys
import time

import splitmodel as sm
from splitmodel.simulate.run import cores

RUN_LIMIT_S = 0.083
"""For one run on one core."""
ALL_LIMIT_S, ALL_RUNS, ALL_CORES = 60.0, 1000, 2
MEMORY_LIMIT_BYTES = 2 * 2.0**30

CLUSTER = sm.Cluster.splitwise("HH", prompt=25, token=15)
LOAD = sm.Workload.azure("conv", rate_rps=130.0, independent=True)


def runs_s(**options) -> float:
    """Time of some runs [s]."""
    start = time.perf_counter()
    sm.evaluate(
        CLUSTER,
        LOAD,
        model="bloom-176b",
        semantics="splitwise-sim",
        tier="simulate",
        duration_s=120.0,
        **options,
    )
    return time.perf_counter() - start


def main(runs: int) -> int:
    first_s = runs_s()
    one_s = min(runs_s() for _ in range(5))
    print(
        f"one run: {1e3 * one_s:.0f} ms, limit {1e3 * RUN_LIMIT_S:.0f} ms; "
        f"the first, with compilation, {first_s:.1f} s"
    )
    all_s = runs_s(seeds=runs)
    limit_s = ALL_LIMIT_S * runs / ALL_RUNS * ALL_CORES / cores()
    peak_bytes = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{runs} runs on {cores()} cores: {all_s:.1f} s, limit {limit_s:.1f} s; "
        f"{peak_bytes / 2**30:.2f} GiB, limit {MEMORY_LIMIT_BYTES / 2**30:.0f} GiB"
    )
    return int(one_s > RUN_LIMIT_S or all_s > limit_s or peak_bytes > MEMORY_LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ALL_RUNS))
