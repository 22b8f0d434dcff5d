"""Leaves of pytrees as arrays of the working precision."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

T = TypeVar("T")


def key_of(tree: Any) -> Hashable:
    """What two pytrees of equal structure and leaves have in common; labels do not matter."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple(np.asarray(leaf).tobytes() for leaf in leaves)


def as_arrays(tree: T) -> T:
    """Every leaf as a float array, float32 or float64 as jax is configured.

    Counts and byte totals pass 2³¹, so no leaf stays an integer.
    """
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=float), tree)
