"""The same question to AIConfigurator and to splitmodel, side by side in one run.

    python -m venv other && other/bin/pip install aiconfigurator==0.12.0
    python benchmarks/beside_aiconfigurator.py other/bin/aiconfigurator

Forty DGX-H100, a Llama model of 70 billion parameters, prompts of 1020 and outputs of 129 tokens, a
first token within a second and 60 ms between tokens: which split serves most requests?

AIConfigurator sums measured operator times to one static step for each parallelism and batch size,
and combines prefill with decode workers of equal throughput: no arrivals, queues or percentiles.
It is free to share a layer among any number of GPUs; here splitmodel takes all eight of a machine.
splitmodel evaluates each split with queues and nine percentiles, at many rates. Its first answer
includes compilation.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import splitmodel as sm

MACHINES, GPUS = 40, 8
PROMPT, OUTPUT = 1020, 129
TTFT_S, TBT_S = 1.0, 0.06
LIMITS = sm.SLO(ttft_s={50: TTFT_S}, tbt_s={50: TBT_S})
LOAD = sm.Workload.from_arrays([PROMPT], [OUTPUT], rate_rps=1.0)
ASKED = {"model": "llama2-70b", "slo": LIMITS}


def theirs(program: str) -> None:
    """Run AIConfigurator, and print what it says of its own search."""
    question = {
        "--model-path": "meta-llama/Meta-Llama-3.1-70B",
        "--system": "h100_sxm",
        "--total-gpus": MACHINES * GPUS,
        "--isl": PROMPT,
        "--osl": OUTPUT,
        "--ttft": 1e3 * TTFT_S,
        "--tpot": 1e3 * TBT_S,
    }
    words = [str(word) for pair in question.items() for word in pair]
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "cli", "default", "--no-color", "--save-dir", folder, *words]
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        taken_s = time.perf_counter() - begun
    said = done.stdout + done.stderr
    searched = re.search(r"completed in ([\d.]+) seconds", said)
    rates = [float(rate) for rate in re.findall(r"Request Rate: ([\d.]+) req/s", said)]
    print(f"AIConfigurator: {taken_s:.1f} s, of which it searched {searched and searched[1]} s")
    print(f"  best request rate {max(rates):.0f} requests/s at {MACHINES * GPUS} GPUs")


def taken(run: Callable[[], Any]) -> tuple[float, Any]:
    """Time [s] and result."""
    begun = time.perf_counter()
    result = run()
    return time.perf_counter() - begun, result


def ours() -> None:
    """The same with splitmodel: the best split, then the whole space at many rates."""

    def best() -> Any:
        return sm.provision(
            LOAD,
            maximise="rate",
            budget_machines=MACHINES,
            designs=["HH", "baseline-H100"],
            **ASKED,
        )

    first_s, _ = taken(best)
    again_s, found = taken(best)
    print(f"splitmodel: first answer {first_s:.1f} s, the next {again_s:.2f} s")
    top = found.isel(rank=0)
    print(f"  best rate {top['highest_rate_rps'].item():.0f} requests/s: {top['design'].item()}")
    space = sm.DesignSpace(
        design="HH",
        prompt=range(1, MACHINES),
        token=range(1, MACHINES),
        rate_rps=np.geomspace(10.0, 1000.0, 200),
        max_machines=MACHINES,
    )

    def whole() -> Any:
        return sm.sweep(space, LOAD, variables=("ttft_s", "tbt_s", "e2e_s", "slo_met"), **ASKED)

    whole()
    sweep_s, table = taken(whole)
    count = table.sizes["config"]
    print(f"  sweep: {count:,} cluster configurations in {sweep_s:.2f} s, {count / sweep_s:,.0f}/s")


if __name__ == "__main__":
    theirs(sys.argv[1])
    ours()
