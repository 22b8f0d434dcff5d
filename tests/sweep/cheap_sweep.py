"""A sweep of a function that compiles in a moment, as a module for tests and as a program.

    python cheap_sweep.py alone | devices | processes PORT INDEX | dask [STORE]

prints a digest of the results, as `devices` the one of all sweeps until each device has done some.
Slowed down by SLOW_S seconds a part, so that it can be killed.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.sweep import compute as module
from splitmodel.sweep.atlas import Atlas
from splitmodel.sweep.compute import FATES, RESULT, compute
from splitmodel.sweep.engine import Engine
from splitmodel.sweep.job import Job
from splitmodel.sweep.lattice import Lattice
from splitmodel.sweep.reduction import Reduction
from splitmodel.sweep.stream import spans_of
from splitmodel.sweep.table import Table
from splitmodel.sweep.tallies import Fates

LOAD = sm.Workload.azure("conv", rate_rps=1.0)
SPACE = sm.DesignSpace(
    design=["AA", "HH", "baseline-H100"],
    prompt=range(1, 41),
    token=range(1, 41),
    machines=range(1, 81),
    rate_rps=np.linspace(1.0, 90.0, 25),
    max_machines=60,
)
REDUCTIONS = {
    "best": sm.TopK("cost_usd_per_hour / throughput_rps", 12),
    "front": sm.Pareto(),
    "spread": sm.Histogram("ttft_s[99]", (0.01, 0.1, 1.0, 10.0), where="status == 0"),
    "large": sm.Count("slo_met and machines >= 40"),
}


class Cheap(eqx.Module):
    """Stands in for the model: smooth, with transcendental functions, and some of it unstable."""

    scale: float

    def __call__(self, cluster: sm.Cluster, load: sm.Workload) -> dict[str, Any]:
        machines = [pool.machines + 0.3 for pool in cluster.pools]
        capacity_rps = self.scale * jnp.exp(0.4 * sum(jnp.log(each) for each in machines))
        slack = 1.0 - load.rate_rps / capacity_rps
        served = slack > 0.0
        wait_s = jnp.where(served, 0.05 / jnp.where(served, slack, 1.0), jnp.inf)
        return {
            "status": jnp.where(served, 0.0, 1.0),
            "slo_met": jnp.where(wait_s < 0.3, 1.0, 0.0),
            "cost_usd_per_hour": cluster.usd_per_hour,
            "throughput_rps": jnp.minimum(capacity_rps, load.rate_rps),
            "ttft_s": wait_s * jnp.array([0.3, 1.0, 2.0]),
        }


ROWS = 1024
NAMES = ("status", "slo_met", "cost_usd_per_hour", "throughput_rps", "ttft_s")


def job(
    reductions: Mapping[str, Reduction], space: sm.DesignSpace = SPACE, scale: float = 4.0
) -> Job:
    lattice = Lattice(space.kinds(LOAD), ROWS)
    return Job(Cheap(scale), NAMES, lattice, *space.leaves_out, {FATES: Fates(), **reductions})


def atlas(space: sm.DesignSpace = SPACE) -> Atlas:
    kinds = space.kinds(LOAD)
    labels = tuple(kind.labels for kind in kinds)
    attrs = {"space": space.to_toml()}
    return Atlas(Lattice(kinds, ROWS), space.axes, labels, space.is_product, 1.0, attrs)


def run(reductions: Mapping[str, Reduction] = REDUCTIONS, **options: Any) -> Any:
    options = {"store": None, "resume": False, "client": None, "progress": False} | options
    return compute(job(reductions), atlas(), **options)


def table(**options: Any) -> xr.Dataset:
    return run({RESULT: Table()}, **options)


def digest(results: xr.DataTree) -> str:
    told = hashlib.sha256()
    for node in results.subtree:
        for name, variable in sorted(node.to_dataset().variables.items()):
            told.update(f"{node.path} {name} {variable.dims}".encode() + variable.values.tobytes())
        told.update(json.dumps(node.attrs, default=str, sort_keys=True).encode())
    return told.hexdigest()


def start(*words: object, **environment: str) -> subprocess.Popen[str]:
    """This program with these words, in a process of its own."""
    plain = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    precision = {"JAX_ENABLE_X64": str(jax.config.read("jax_enable_x64"))}
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, words)],
        env=plain | precision | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def digest_of(process: subprocess.Popen[str]) -> str:
    """What it prints."""
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out.strip().splitlines()[-1]


def after(owner: type, name: str, then: Any) -> None:
    """Let something else follow every call of a method."""
    method = getattr(owner, name)

    def both(*args: Any) -> Any:
        found = method(*args)
        then(*args)
        return found

    setattr(owner, name, both)


def main(mode: str, *rest: str) -> str:
    slow_s = float(os.environ.get("SLOW_S", 0.0))
    after(module.Store, "keep", lambda *_: time.sleep(slow_s))
    if mode == "processes":
        jax.distributed.initialize(f"127.0.0.1:{rest[0]}", 2, int(rest[1]))
        rest = rest[2:]
    if mode == "devices":
        served, found = set(), set()
        after(Engine, "run", lambda engine, _: served.add(engine.device))
        while len(served) < jax.local_device_count():
            found.add(digest(run()))  # the next sweep finds compiled what this one leaves so
        (same,) = found
        return same
    store = {"store": rest[0], "resume": True} if rest else {}
    if mode != "dask":
        return digest(run(**store))
    from distributed import Client, LocalCluster

    workers = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    with workers as cluster, Client(cluster) as client:
        processes: Any = client.run(os.getpid)
        victim, seen = next(iter(processes.values())), []

        def kill_one(bar: Any, span: Any) -> None:
            seen.append(span)
            if len(seen) == 5:
                os.kill(victim, signal.SIGKILL)

        after(module.Progress, "update", kill_one)
        found = digest(run(client=client, **store))
        assert len(set(seen)) == len(seen) == len(spans_of(job(REDUCTIONS).lattice.blocks))
        processes = client.run(os.getpid)
        assert victim not in processes.values()
        return found


if __name__ == "__main__":
    import cheap_sweep  # under this name workers can import it, too

    print(cheap_sweep.main(*sys.argv[1:]))
