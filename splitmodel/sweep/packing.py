"""A pytree as one vector: to hand over hundreds of small arrays takes longer than to use them."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, NamedTuple

import jax
import numpy as np

from splitmodel.units import Scalar


def pack(tree: Any) -> np.ndarray:
    """All leaves one after another, in float64."""
    return np.concatenate([np.ravel(leaf).astype(float) for leaf in jax.tree.leaves(tree)])


class Structure(NamedTuple):
    """What a vector lacks to be a tree."""

    tree: Hashable
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tree: Any) -> Structure:
        """That of a tree; its values play no role."""
        leaves, structure = jax.tree.flatten(tree)
        return cls(structure, tuple(np.shape(leaf) for leaf in leaves))

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(math.prod(shape) for shape in self.shapes)

    def unpack(self, vector: Scalar) -> Any:
        """The tree that was packed, traceable."""
        parts, start = [], 0
        for shape in self.shapes:
            stop = start + math.prod(shape)
            parts.append(vector[start:stop].reshape(shape))
            start = stop
        return jax.tree.unflatten(self.tree, parts)
