"""A pytree as one vector, so that a call passes one array instead of hundreds."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import jax
import numpy as np

from splitmodel.units import Scalar

T = TypeVar("T")


def pack(tree: Any) -> np.ndarray:
    """All leaves one after another, in float64."""
    return np.concatenate([np.ravel(leaf).astype(float) for leaf in jax.tree.leaves(tree)])


def unpack(vector: Scalar, like: T) -> T:
    """The tree that was packed, traceable; `like` gives structure and shapes, its values none."""
    leaves, structure = jax.tree.flatten(like)
    parts, start = [], 0
    for leaf in leaves:
        stop = start + math.prod(np.shape(leaf))
        parts.append(vector[start:stop].reshape(np.shape(leaf)))
        start = stop
    return jax.tree.unflatten(structure, parts)
