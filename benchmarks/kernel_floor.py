"""What the analytic tier computes per configuration, and how near a sweep comes to that.

    python benchmarks/kernel_floor.py [semantics …]

Counts arithmetic and transcendental operations of the traced program, loops included, and the bytes
of its inputs and outputs; measures what a core of this machine does of either kind in programs that
do nothing else; and sets the time that those would take against the processor time of a sweep.
Parts are told apart by what is asked of a sweep: the compiler leaves out what nobody asks for.
"""

import os
import platform
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr
from jax.interpreters import partial_eval

import splitmodel as sm
from splitmodel.compilation import known_options
from splitmodel.evaluate import prepare
from splitmodel.specs.leaves import as_arrays
from splitmodel.sweep.chosen import Chosen
from splitmodel.sweep.kernel import OPTIONS
from splitmodel.sweep.rows import Rows

ROWS = 1024
SPACE = sm.DesignSpace(
    design=["AA", "HH", "HA", "HHcap"],
    prompt=range(1, 33),
    token=range(1, 33),
    rate_rps=np.linspace(10.0, 100.0, 16),
)
LOAD = sm.Workload.azure("conv", rate_rps=1.0)
ASKED = {
    "counts and cost": ("cost_usd_per_hour",),
    "flow of requests": ("saturation_rps", "utilisation", "status"),
    "TTFT": ("ttft_s", "status"),
    "nine percentiles": ("ttft_s", "tbt_s", "e2e_s", "status"),
    "every output": None,
}
TRANSCENDENTAL = {"exp", "log", "log1p", "expm1", "erfc", "pow", "sqrt", "rsqrt"}
MOVES = {
    *("broadcast_in_dim", "reshape", "slice", "squeeze", "transpose", "concatenate", "split"),
    *("gather", "dynamic_slice", "dynamic_update_slice", "pad", "iota", "copy", "stop_gradient"),
}
"""Primitives that only move data."""


def operations(jaxpr: Any, times: float = 1.0) -> dict[str, float]:
    """Operations by kind; a branch counts as the longest one that it may take."""
    found = {"arithmetic": 0.0, "transcendental": 0.0}
    for eqn in jaxpr.eqns:
        name, params = eqn.primitive.name, eqn.params
        inner = [
            getattr(each, "jaxpr", each)
            for value in params.values()
            for each in (value if isinstance(value, tuple | list) else [value])
            if isinstance(each, ClosedJaxpr) or hasattr(each, "eqns")
        ]
        size = float(sum(np.prod(each.aval.shape, dtype=float) for each in eqn.outvars))
        if name == "cond":
            longest = max(
                (operations(each, times) for each in inner), key=lambda c: sum(c.values())
            )
            found = {kind: found[kind] + longest[kind] for kind in found}
        elif name == "while":
            raise NotImplementedError("a loop of unknown length cannot be counted")
        elif inner:
            repeated = operations(inner[0], times * params.get("length", 1))
            found = {kind: found[kind] + repeated[kind] for kind in found}
        elif name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            summed = np.prod([eqn.invars[0].aval.shape[dim] for dim in contracted], dtype=float)
            found["arithmetic"] += 2.0 * size * summed * times
        elif name.startswith(("reduce_", "cum", "arg")):
            found["arithmetic"] += float(np.prod(eqn.invars[0].aval.shape, dtype=float)) * times
        elif name in TRANSCENDENTAL:
            found["transcendental"] += size * times
        elif name not in MOVES:
            found["arithmetic"] += size * times
    return found


def counted(semantics: str, names: tuple[str, ...]) -> dict[str, float]:
    """Operations and bytes per configuration."""
    cluster = sm.Cluster.splitwise("HA", prompt=25, token=26)
    question = prepare(
        [cluster],
        "bloom-176b",
        "splitwise",
        timing=None,
        semantics=semantics,
        stack=None,
        reference=None,
        tier="analytic",
    )
    function, load, hardware = as_arrays((Chosen(question, names), LOAD, cluster))
    rows = Rows(*(jnp.ones(ROWS) for _ in Rows._fields))

    def several(function: Any, hardware: Any, load: Any, rows: Rows) -> Any:
        return jax.vmap(lambda row: function(row.of(hardware), load.with_rate(row.rate_rps)))(rows)

    traced = jax.make_jaxpr(several)(function, hardware, load, rows)
    needed, _ = partial_eval.dce_jaxpr(traced.jaxpr, [True] * len(traced.jaxpr.outvars))
    found = operations(needed, 1.0 / ROWS)
    moved = (*jax.tree.leaves(rows), *traced.out_avals)
    found["bytes"] = sum(float(4 * np.prod(each.shape)) for each in moved) / ROWS
    return found


def operation_s(step: Any, operations_each: int) -> float:
    """Time of one operation in a program that repeats `step` on numbers in the first cache [s]."""
    repeats, size = 2000, 2048
    # With the vectors that sweeps have.
    program = jax.jit(
        lambda x: jax.lax.fori_loop(0, repeats, lambda _, y: step(y), x),
        compiler_options=known_options(**OPTIONS),
    )
    start = jnp.linspace(0.1, 0.9, size)
    program(start).block_until_ready()
    times = []
    for _ in range(5):
        begun = time.process_time()
        program(start).block_until_ready()
        times.append(time.process_time() - begun)
    return min(times) / (repeats * size * operations_each)


def arithmetic(x: jax.Array) -> jax.Array:
    """Eight chains of multiplications and additions, so that none waits for another."""
    chains = [x * factor for factor in np.linspace(0.1, 0.2, 8)]
    for factor in np.linspace(0.6, 0.9, 8):
        chains = [each * factor + x for each in chains]
    return 0.01 * sum(chains, x)


def transcendental(x: jax.Array) -> jax.Array:
    """Four exponentials and four logarithms."""
    for _ in range(4):
        x = jnp.log(1.5 + jnp.exp(-x))
    return x


def processor_s(semantics: str, names: tuple[str, ...] | None) -> float:
    """Processor time of a compiled sweep per configuration [s], best of three."""
    times = []
    for _ in range(4):
        begun = time.process_time()
        sm.sweep(SPACE, LOAD, model="bloom-176b", semantics=semantics, variables=names)
        times.append(time.process_time() - begun)
    return min(times[1:]) / len(SPACE)


def main(chosen: list[str]) -> None:
    each_s = {
        "arithmetic": operation_s(arithmetic, 8 + 8 * 8 * 2 + 9),
        "transcendental": operation_s(transcendental, 8),
    }
    print(f"{os.cpu_count()} cores ({platform.machine()}), jax {jax.__version__}")
    print("measured limits of a core: ", end="")
    print(", ".join(f"{1e-9 / cost_s:.2f} billion {kind}/s" for kind, cost_s in each_s.items()))
    for semantics in chosen or ("physical", "splitwise-sim"):
        print(f"\n{semantics}, per configuration")
        head = ("arithmetic", "transcend.", "bytes", "floor µs", "taken µs", "share")
        print(f"{'':18}" + "".join(f"{name:>12}" for name in head))
        for part, names in ASKED.items():
            found = counted(semantics, names or tuple(sm.Metrics.__dataclass_fields__))
            floor_s = sum(found[kind] * cost_s for kind, cost_s in each_s.items())
            taken_s = processor_s(semantics, names)
            print(
                f"{part:18}{found['arithmetic']:12,.0f}{found['transcendental']:12,.0f}"
                f"{found['bytes']:12,.0f}{1e6 * floor_s:12.2f}{1e6 * taken_s:12.2f}"
                f"{floor_s / taken_s:12.0%}"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
