"""The compiled stages of a sweep: blocks are made, evaluated and reduced where they lie.

Each stage is one program per shape for any number of devices: `shard_map` deals the blocks out, and
within a device they follow one another. As a device always runs the same program on blocks of the
same shape, a configuration's result does not depend on which device it falls to. XLA (jax 0.10)
optimises a program for several devices in another order than one for a single device, so that the
model's last digits differ between these two.

Evaluation, which takes long to compile, is a program of its own: another limit, condition or
reduction compiles in a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from splitmodel.compilation import known_options
from splitmodel.programs.kept_trace import kept
from splitmodel.sweep.expression import Expression
from splitmodel.sweep.generate import allowed, axes_of, rows_of
from splitmodel.sweep.lattice import Blocks
from splitmodel.sweep.packing import Structure
from splitmodel.sweep.reduction import Block, Reduction
from splitmodel.sweep.rows import Rows
from splitmodel.units import Flag, Scalar

_ALL, _DEALT = PartitionSpec(), PartitionSpec("blocks")
WIDE = {"xla_cpu_prefer_vector_width": 512}
"""Vector instructions as wide as the CPU has them; of jax 0.10's own choice, evaluation takes a
tenth longer."""


@cache
def generate(
    mesh: Mesh, cluster: Structure, block_rows: int, constraints: tuple[Expression, ...]
) -> Any:
    """Function of (values, limits, blocks): rows of each block, and which of them count."""

    def several(values: Scalar, limits: Scalar, blocks: Blocks) -> tuple[Rows, Flag]:
        def one(block: Blocks) -> tuple[Rows, Flag]:
            rows, used = rows_of(block.place, values, block_rows)
            return rows, used & allowed(cluster.unpack(block.cluster), rows, limits, constraints)

        return jax.lax.map(one, blocks)

    return _dealt(mesh, several, whole=2, dealt=1)


@cache
def evaluate(mesh: Mesh, function: Structure, cluster: Structure, load: Structure) -> Any:
    """Function of (packed function, blocks, rows, kept): outputs of every row.

    Of blocks without a row that counts they are 0.
    """
    values = of_rows(function, cluster, load)
    # What is kept is a program for one device: XLA (jax 0.10) does not take it as part of one for
    # several. Compiled by itself so that it is traced once, though its shapes are needed first.
    values = jax.jit(kept(values) if mesh.size == 1 else values)

    def several(packed: Scalar, blocks: Blocks, rows: Rows, kept: Flag) -> dict[str, Scalar]:
        def one(given: tuple[Blocks, Rows, Flag]) -> dict[str, Scalar]:
            block, rows, kept = given
            given_rows = (packed, block.cluster, block.load, rows)
            shapes = jax.eval_shape(values, *given_rows)
            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            return jax.lax.cond(kept.any(), lambda: values(*given_rows), lambda: nothing)

        return jax.lax.map(one, (blocks, rows, kept))

    return _dealt(mesh, several, whole=1, dealt=3, wide=True)


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
def reduce(mesh: Mesh, reductions: tuple[tuple[str, Reduction], ...], width: int) -> Any:
    """Function of (outputs, rows, kept): partial results of each block by reduction."""

    def one(outputs: Mapping[str, Scalar], rows: Rows, kept: Flag) -> dict[str, Any]:
        block = Block(outputs, axes_of(rows), kept)
        return {name: reduction.of_block(block, width) for name, reduction in reductions}

    return _dealt(mesh, jax.vmap(one), whole=0, dealt=3)


def _dealt(mesh: Mesh, function: Any, whole: int, dealt: int, wide: bool = False) -> Any:
    """Compiled; all devices have the first `whole` arguments and share out the other `dealt`.

    Args:
        mesh: devices.
        function: of all arguments.
        whole: number of arguments that are not dealt out.
        dealt: number of those that are.
        wide: whether to compile for the widest vectors.
    """
    specs = (_ALL,) * whole + (_DEALT,) * dealt
    mapped = jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=_DEALT, check_vma=False)
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    return jax.jit(mapped, compiler_options=known_options(**WIDE) if wide and on_cpu else None)
