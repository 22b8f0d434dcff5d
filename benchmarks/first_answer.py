"""Time to a first answer in a new process, with JAX's persistent cache filled.

    python benchmarks/first_answer.py [runs]

The cache starts empty, in a folder of its own, and the first process fills it. Prints the median
and the most over so many further processes, and of that first one, from after the imports to the
answer. Exit code 1 if the most passes the limit.
"""

import os
import statistics
import subprocess
import sys
import tempfile

LIMIT_S = 5.0
ASKED = {
    "evaluate": "sm.evaluate(cluster, load, **asked)",
    "max_rate": "sm.max_rate(cluster, **asked)",
    "sweep": "sm.sweep(space, load, **asked)",
    "provision": 'sm.provision(load, maximise="rate", budget_power_w=408e3, **asked)',
}
PROCESS = """
import time
import splitmodel as sm
asked = {{"model": "bloom-176b"}}
start = time.perf_counter()
load = sm.Workload.azure("conv", rate_rps=30.0)
cluster = sm.Cluster.splitwise("HHcap", prompt=18, token=31)
space = sm.DesignSpace(design=["HH"], prompt=range(1, 51), token=range(1, 51))
{answer}
print(time.perf_counter() - start)
"""


def answer_s(answer: str, folder: str) -> float:
    """Time of an answer in a process of its own [s]."""
    done = subprocess.run(
        [sys.executable, "-c", PROCESS.format(answer=answer)],
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": folder},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout.split()[-1])


def main(runs: int) -> int:
    worst_s = 0.0
    print(f"{'':9}  cache empty   filled: median     most [s]")
    for name, answer in ASKED.items():
        with tempfile.TemporaryDirectory() as folder:
            empty_s, *filled_s = (answer_s(answer, folder) for _ in range(1 + runs))
        worst_s = max(worst_s, *filled_s)
        print(
            f"{name:9} {empty_s:12.1f} {statistics.median(filled_s):16.2f} {max(filled_s):8.2f}",
            flush=True,
        )
    return int(worst_s > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
