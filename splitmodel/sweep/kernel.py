"""The compiled stages of a sweep: blocks are made, evaluated and reduced where they lie.

Each stage is one program for one device, traced once and compiled for each device that runs it; in
it blocks follow one another. As every device runs the same program on blocks of the same shape, a
configuration's result does not depend on which device it falls to, or how many there are. One
program that XLA (jax 0.10) partitions over several devices would be optimised in another order, and
the model's last digits would differ.

Evaluation, which takes long to compile, is a program of its own: another limit, condition or
reduction compiles in a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from splitmodel.compilation import known_options
from splitmodel.programs.kept_trace import kept
from splitmodel.sweep.expression import Expression
from splitmodel.sweep.generate import allowed, axes_of, rows_of
from splitmodel.sweep.lattice import Blocks
from splitmodel.sweep.packing import Structure
from splitmodel.sweep.reduction import Block, Reduction
from splitmodel.sweep.rows import Rows
from splitmodel.units import Flag, Scalar

OPTIONS = {
    "xla_cpu_prefer_vector_width": 512,
    "xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED",
}
"""Vector instructions as wide as the CPU has them, and in an order in which little has to be kept,
so that more stays in cache. Of jax 0.10's own choice, evaluation takes a tenth longer each."""


@cache
def generate(cluster: Structure, block_rows: int, constraints: tuple[Expression, ...]) -> Any:
    """Function of (values, limits, blocks): rows of each block, and which of them count."""

    def several(values: Scalar, limits: Scalar, blocks: Blocks) -> tuple[Rows, Flag]:
        def one(block: Blocks) -> tuple[Rows, Flag]:
            rows, used = rows_of(block.place, values, block_rows)
            return rows, used & allowed(cluster.unpack(block.cluster), rows, limits, constraints)

        return jax.lax.map(one, blocks)

    return jax.jit(several)


@cache
def evaluate(function: Structure, cluster: Structure, load: Structure) -> Any:
    """Function of (packed function, blocks, rows, kept): outputs of every row.

    Of blocks without a row that counts they are 0.
    """
    # Compiled by itself so that it is traced once, though its shapes are needed first.
    values = jax.jit(kept(of_rows(function, cluster, load)))

    def several(packed: Scalar, blocks: Blocks, rows: Rows, kept: Flag) -> dict[str, Scalar]:
        def one(given: tuple[Blocks, Rows, Flag]) -> dict[str, Scalar]:
            block, rows, kept = given
            given_rows = (packed, block.cluster, block.load, rows)
            shapes = jax.eval_shape(values, *given_rows)
            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            return jax.lax.cond(kept.any(), lambda: values(*given_rows), lambda: nothing)

        return jax.lax.map(one, (blocks, rows, kept))

    on_cpu = jax.default_backend() == "cpu"
    return jax.jit(several, compiler_options=known_options(**OPTIONS) if on_cpu else None)


def of_rows(function: Structure, cluster: Structure, load: Structure) -> Callable[..., Any]:
    """Function of (packed function, cluster and load, rows): values for every row.

    The hardware is the same for all rows, so that what depends on it alone is computed once, and
    every branch between kinds of cluster stays a branch.
    """

    def values(metrics: Scalar, hardware: Scalar, sizes: Scalar, rows: Rows) -> Any:
        of, machines, requests = (
            structure.unpack(packed)
            for structure, packed in ((function, metrics), (cluster, hardware), (load, sizes))
        )
        return jax.vmap(lambda row: of(row.of(machines), requests.with_rate(row.rate_rps)))(rows)

    return values


@cache
def reduce(reductions: tuple[tuple[str, Reduction], ...], width: int) -> Any:
    """Function of (outputs, rows, kept): partial results of each block by reduction."""

    def one(outputs: Mapping[str, Scalar], rows: Rows, kept: Flag) -> dict[str, Any]:
        block = Block(outputs, axes_of(rows), kept)
        return {name: reduction.of_block(block, width) for name, reduction in reductions}

    return jax.jit(jax.vmap(one))
