"""Leaves of pytrees as arrays of the working precision."""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp

T = TypeVar("T")


def as_arrays(tree: T) -> T:
    """Every leaf as a float array, float32 or float64 as jax is configured.

    Counts and byte totals pass 2³¹, so no leaf stays an integer.
    """
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=float), tree)
