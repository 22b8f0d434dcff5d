"""The precomputed part of the interactive page: latencies of clusters over counts and rates.

Latencies do not depend on limits, prices or provisioned power, which the page can therefore change.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.specs.cluster import DESIGNS
from splitmodel.specs.slo import METRICS

WORKLOADS = ("conv", "code")
MODEL = "bloom-176b"
RATES_RPS = range(10, 101, 10)
SPLITTING = tuple(DESIGNS)
BASELINES = ("baseline-A100", "baseline-H100")
_LIMITED = ("ttft_slowdown", "tbt_slowdown", "e2e_slowdown")


def step(rate_rps: float) -> int:
    """Machines between neighbouring counts, so that all rates have grids of a similar size."""
    return math.ceil(rate_rps / 30)


def spaces(rate_rps: float) -> list[sm.DesignSpace]:
    """Clusters of the table at a rate: up to about twice of what the best ones need."""
    counts = range(step(rate_rps), 35 * step(rate_rps), step(rate_rps))
    splitting = sm.DesignSpace(
        design=SPLITTING,
        prompt=counts,
        token=counts,
        rate_rps=[float(rate_rps)],
        max_power_w=70e3 + 8.5e3 * rate_rps,
    )
    most = round(3 * rate_rps)
    baselines = sm.DesignSpace(
        design=BASELINES,
        machines=range(1, most + 1),
        rate_rps=[float(rate_rps)],
        max_machines=most,
    )
    return [splitting, baselines]


def table(workload: str) -> tuple[dict[str, Any], bytes]:
    """What the page has to know about one workload.

    Returns:
        Names, defaults and the number of rows at each rate; and for each rate, as little-endian
        float32 [columns, rows], the design's index, prompt and token machines (a baseline's
        machines stand as prompt machines), and percentiles of each metric. The bytes are sorted by
        significance, which makes them compress better.
    """
    names = (*SPLITTING, *BASELINES)
    rows, blocks = [], []
    for rate_rps in RATES_RPS:
        load = sm.Workload.azure(workload, rate_rps=float(rate_rps))
        columns = []
        for space in spaces(rate_rps):
            ds = sm.sweep(space, load, model=MODEL, variables=METRICS)
            assert isinstance(ds, xr.Dataset)
            design = [names.index(name) for name in ds["design"].values]
            counts = (
                [ds["prompt"], ds["token"]]
                if "prompt" in ds
                else [ds["machines"], 0 * ds["machines"]]
            )
            latencies = [ds[name].transpose("percentile", "config") for name in METRICS]
            columns.append(np.vstack([design, *counts, *latencies]).astype("<f4"))
        block = np.ascontiguousarray(np.hstack(columns))
        rows.append(block.shape[1])
        blocks.append(block.view(np.uint8).reshape(-1, 4).T.tobytes())
    return describe(workload) | {"rows": rows}, b"".join(blocks)


def describe(workload: str) -> dict[str, Any]:
    """Names and defaults: designs, limits, prices and provisioned power."""
    clusters = {name: sm.cluster_of(name) for name in (*SPLITTING, *BASELINES)}
    limits = sm.SLO.splitwise()
    pools = {
        name: [
            {"machine": str(pool.machine.label.value), "cap": float(pool.power_cap)}
            for pool in cluster.pools
            if pool.machines
        ]
        for name, cluster in clusters.items()
    }
    kinds = [sm.machine(name) for name in ("DGX-A100", "DGX-H100")]
    return {
        "workload": workload,
        "model": MODEL,
        "rates": list(RATES_RPS),
        "steps": [step(rate_rps) for rate_rps in RATES_RPS],
        "metrics": METRICS,
        "limits": {name: getattr(limits, name).tolist() for name in _LIMITED},
        "designs": pools,
        "machines": {
            str(kind.label.value): {
                "usdPerHour": float(kind.usd_per_hour),
                "powerW": float(kind.power_provisioned_w),
            }
            for kind in kinds
        },
    }


def to_script(name: str, about: dict[str, Any], content: bytes) -> str:
    """A script that hands a table to the page; its bytes are gzip in base64."""
    packed = base64.b64encode(gzip.compress(content, mtime=0)).decode()
    return f'explorer.tables["{name}"] = {{...{json.dumps(about)}, packed: "{packed}"}};\n'


if __name__ == "__main__":
    for each in WORKLOADS:
        (Path(sys.argv[1]) / f"table-{each}.js").write_text(to_script(each, *table(each)))
