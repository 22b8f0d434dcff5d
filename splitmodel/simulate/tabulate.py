"""Tables of iteration times, made once for a timing, a model and the instances of a cluster."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from numpy import ndarray

from splitmodel.compilation import quick_jit
from splitmodel.iteration.instance import Instance
from splitmodel.iteration.timing import Timing
from splitmodel.roofline.batch import Batch
from splitmodel.simulate.lookup import Times
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Scalar

CHUNK = 8192
"""Iterations that are computed in one call, so that one compilation serves any number."""
KNOTS_PER_OCTAVE = 16
"""Of the tokens computed: where times are smooth, a straight line between two knots is then off by
less than 0.1%; the profile's knots, all powers of two, are among them."""
JUMP = 0.005
"""Relative change from one token to the next that gets a knot on either side."""
UNCHANGED = 1e-6
"""Relative change along an axis below which one knot stands for all."""


class Limits(NamedTuple):
    """Largest values that a run can ask for."""

    rows: int
    """Tokens computed in one iteration."""
    decodes: int
    prompts: int
    context_tokens: int
    """KV tokens of one request."""


def iteration_times_s(
    timing: Timing, model: Transformer, instance: Instance, **sums: Any
) -> ndarray:
    """Times of many iterations [s] in double precision.

    Args:
        timing: what tells them.
        model: the transformer.
        instance: where they run.
        sums: fields of `Batch`; arrays that broadcast, and so does the result.
    """
    fields = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in sums.values()))
    flat = np.stack([field.ravel() for field in fields])
    count = flat.shape[1]
    padded = np.pad(flat, ((0, 0), (0, -count % CHUNK)), mode="edge")
    with jax.enable_x64(True):
        spec, server = as_arrays((model, instance))
        parts = [
            np.asarray(_seconds(timing, spec, server, dict(zip(sums, part, strict=True))))
            for part in np.split(padded, padded.shape[1] // CHUNK, axis=1)
        ]
    return np.concatenate(parts)[:count].reshape(fields[0].shape)


@quick_jit
def _seconds(
    timing: Timing, model: Transformer, instance: Instance, sums: dict[str, Scalar]
) -> Scalar:
    return timing.iteration_s(Batch(**sums), model, instance)


def tabulate(
    timing: Timing, model: Transformer, instances: list[Instance], limits: Limits
) -> Times:
    """Tables for instances of every kind, over all batches within the limits."""

    def seconds(**sums: Any) -> ndarray:
        """Times on every kind, [kinds, …]."""
        return np.stack([iteration_times_s(timing, model, each, **sums) for each in instances])

    rows = _row_knots(limits.rows)
    single = prompt_batch(np.arange(1.0, limits.rows + 1.0))
    rows = np.union1d(rows, _jumps(seconds(**single)))
    axes = [
        rows,
        _octave_knots(limits.decodes, 2),
        np.array([0.0, 0.5, 1.0]),
        limits.context_tokens * np.array([0.0, 1 / 16, 1 / 4, 1.0]),
        np.array([1.0, 8.0, 64.0, 512.0])[: 1 + np.searchsorted([1, 8, 64], limits.prompts)],
    ]
    axes = _needed(axes, seconds)
    contexts = _octave_knots(limits.context_tokens, 2)
    decode_s = seconds(**_decode_batch(np.arange(limits.decodes + 1.0)[:, None], contexts))
    if _spread(decode_s, axis=2) < UNCHANGED:
        contexts, decode_s = contexts[:1], decode_s[:, :, :1]
    cells_s = np.diff(contexts) * 0.5 * (decode_s[:, :, 1:] + decode_s[:, :, :-1])
    areas = np.pad(np.cumsum(cells_s, axis=2), ((0, 0), (0, 0), (1, 0)))
    batch_s = seconds(**_mixed_batch(*np.meshgrid(*axes, indexing="ij")))
    axes.append(contexts)
    counts = np.array([len(axis) for axis in axes])
    return Times(
        decode_s=np.stack([decode_s, areas]),
        batch_s=batch_s,
        knots=np.stack([np.pad(axis, (0, counts.max() - len(axis))) for axis in axes]),
        counts=counts,
        row_cell=_cells(axes[0], limits.rows),
    )


def prompt_batch(tokens: ndarray) -> dict[str, Any]:
    """One prompt."""
    return _mixed_batch(tokens, 0.0, 1.0, 0.0, 1.0)


def _decode_batch(decodes: ndarray, contexts: ndarray) -> dict[str, Any]:
    return {
        "prefill_tokens": 0.0,
        "query_key_pairs": 0.0,
        "prompts": 0.0,
        "decoding_requests": decodes,
        "context_tokens": decodes * contexts,
    }


def _mixed_batch(
    rows: Any, decodes: Any, pairs: Any, contexts: Any, prompts: Any
) -> dict[str, Any]:
    """Batches at knots of the table; corners with fewer tokens than decodes get one token."""
    return {
        "prefill_tokens": np.maximum(rows - decodes, 1.0),
        "query_key_pairs": 0.5 * pairs * rows**2,
        "prompts": prompts,
        "decoding_requests": decodes,
        "context_tokens": decodes * contexts,
    }


def _row_knots(largest: int) -> ndarray:
    return _octave_knots(largest, KNOTS_PER_OCTAVE)[1:]


def _octave_knots(largest: float, per_octave: int) -> ndarray:
    """0, then every whole number up to `per_octave`, then as many evenly in each doubling."""
    octaves = int(np.ceil(np.log2(max(largest / per_octave, 1.0)))) + 1
    first = np.arange(per_octave)
    later = [2**k * (per_octave + first) for k in range(octaves)]
    knots = np.concatenate([first, *later])
    return knots[: np.searchsorted(knots, largest) + 1].astype(np.float64)


def _jumps(single_s: ndarray) -> ndarray:
    """Tokens on both sides of each jump of the time, unless the curve itself is steep."""
    step = np.abs(np.diff(single_s, axis=1)) / single_s[:, 1:]
    usual = 4.0 / np.arange(1.0, step.shape[1] + 1.0)
    left = 1 + np.flatnonzero((step > np.maximum(JUMP, usual)).any(axis=0))
    return np.concatenate([left, left + 1]).astype(np.float64)


def _spread(times_s: ndarray, axis: int) -> float:
    """Largest relative difference along an axis."""
    high, low = times_s.max(axis=axis), times_s.min(axis=axis)
    return float(((high - low) / np.maximum(high, 1e-300)).max())


def _needed(axes: list[ndarray], seconds: Any) -> list[ndarray]:
    """Axes with one knot where the time does not change along them.

    Whether it does is told by a coarser table; with or without decodes is always told apart.
    """
    rows, decodes, pairs, contexts, prompts = axes
    coarse = [rows[:: max(len(rows) // 8, 1)], decodes[:: max(len(decodes) // 4, 1)]]
    coarse = [*coarse, pairs, contexts, prompts]
    sample = seconds(**_mixed_batch(*np.meshgrid(*coarse, indexing="ij")))
    kept = [rows]
    # Where there is room for a prompt beside all of the decodes.
    with_decodes = sample[:, coarse[0] > coarse[1][-1], 1:]
    changes = not with_decodes.size or _spread(with_decodes, axis=2) > UNCHANGED
    kept.append(decodes if changes else decodes[:2])
    for axis, knots in enumerate((pairs, contexts, prompts), start=3):
        kept.append(knots if _spread(sample, axis=axis) > UNCHANGED else knots[:1])
    return kept


def _cells(knots: ndarray, largest: int) -> ndarray:
    cells = np.searchsorted(knots, np.arange(largest + 1), side="right") - 1
    return np.clip(cells, 0, max(len(knots) - 2, 0))
