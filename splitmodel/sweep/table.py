"""Every configuration with every output, in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from splitmodel.sweep.atlas import OUTPUT, Atlas
from splitmodel.sweep.reduction import Block, Partial, Reduction

LARGEST = 10_000_000
"""Configurations of a table in memory: all outputs of so many take a few gigabytes."""


@dataclass(frozen=True)
class Table(Reduction):
    """All configurations of a space, in its order."""

    def names(self, field: str, allowed: Collection[str]) -> frozenset[str]:
        """None beside what is asked for."""
        return frozenset()

    def of_block(self, block: Block, width: int) -> dict[str, Any]:
        """All outputs, and which lanes count."""
        outputs = {OUTPUT + name: each for name, each in block.outputs.items()}
        return {"kept": block.kept, **outputs}

    def collect(self, found: Mapping[str, np.ndarray], first: np.ndarray) -> Partial:
        """The configurations that belong to the space, with their numbers."""
        kept = found["kept"]
        numbers = first[:, None] + np.arange(kept.shape[1])
        outputs = {name: each[kept] for name, each in found.items() if name != "kept"}
        return {"number": numbers[kept], **outputs}

    def merge(self, parts: Sequence[Partial]) -> Partial:
        """All of them in the order of their numbers."""
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(whole["number"])
        if (order == np.arange(len(order))).all():
            return whole
        return {name: each[order] for name, each in whole.items()}

    def dataset(self, partial: Partial, atlas: Atlas) -> xr.Dataset:
        """Over the axes of a product, else over `config`."""
        return atlas.table(partial)
