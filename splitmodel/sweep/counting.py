"""How many configurations are within limits and constraints."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from splitmodel.sweep import kernel
from splitmodel.sweep.expression import Expression
from splitmodel.sweep.lattice import Lattice
from splitmodel.sweep.packing import Structure

_BLOCKS = 64
"""Blocks of one call."""


def counts(
    lattice: Lattice, limits: np.ndarray, constraints: tuple[Expression, ...]
) -> Iterator[int]:
    """Numbers of configurations that the space does not leave out, by some blocks at a time."""
    structures = [Structure.of(cluster) for cluster, _ in lattice.likes]
    for start in range(0, lattice.blocks, _BLOCKS):
        for blocks in lattice.runs(start, min(start + _BLOCKS, lattice.blocks), _BLOCKS):
            filled = np.resize(blocks, _BLOCKS)  # of one shape, so that one compilation serves
            structure = structures[lattice.family(blocks)]
            generate = kernel.generate(structure, lattice.block_rows, constraints)
            _, kept = generate(lattice.values, limits, lattice.describe(filled))
            yield int(np.asarray(kept)[: len(blocks)].sum())
