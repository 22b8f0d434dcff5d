"""Speed of a sweep: four Splitwise designs × 70 × 70 machines × 10 rates, every output.

    python benchmarks/sweep_speed.py [semantics …]

Prints, for each semantics, the seconds that compilation takes (first call less run time), those of
the compiled sweep (best of three), and how they compare with the limit. Exit code 1 if a sweep
takes longer than that.
"""

import sys
import time

import numpy as np

import splitmodel as sm

LIMIT_S = 4.0
"""For the compiled sweep on two cores."""
SPACE = sm.DesignSpace(
    design=["AA", "HH", "HA", "HHcap"],
    prompt=range(1, 71),
    token=range(1, 71),
    rate_rps=np.linspace(10.0, 100.0, 10),
)
LOAD = sm.Workload.azure("conv", rate_rps=1.0)


def sweep_s(semantics: str) -> float:
    """Time of one sweep [s]."""
    start = time.perf_counter()
    sm.sweep(SPACE, LOAD, model="bloom-176b", semantics=semantics)
    return time.perf_counter() - start


def main(names: list[str]) -> int:
    print(f"{len(SPACE):,} configurations, limit {LIMIT_S:g} s")
    worst_s = 0.0
    for semantics in names or ("physical", "splitwise-sim"):
        first_s = sweep_s(semantics)
        run_s = min(sweep_s(semantics) for _ in range(3))
        worst_s = max(worst_s, run_s)
        print(
            f"{semantics:>13}: compile {first_s - run_s:5.1f} s, run {run_s:5.2f} s, "
            f"{len(SPACE) / run_s:9,.0f} configurations/s, {run_s / LIMIT_S:.2f} of the limit"
        )
    return int(worst_s > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
