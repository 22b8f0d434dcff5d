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
"""Of the tokens computed, whose prefill is then read with an error below 0.1%; the profile's knots,
all powers of two, are among them. Mixed iterations of the roofline are 0.005% off on average, 1% of
them by more than 0.1%."""
FEW = 1e-6
"""Least share of decodes among the tokens computed that counts as any; also the least number of
prompt tokens that does."""
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


def _timed(
    timing: Timing, model: Transformer, instance: Instance, sums: dict[str, Scalar]
) -> Scalar:
    return timing.iteration_s(Batch(**sums), model, instance)


_seconds = quick_jit(_timed, level=1)


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
        # Without decodes and with any is told apart.
        np.array([0.0, FEW, *np.arange(1, 9) / 8]),
        np.array([0.0, 1.0]),
        limits.context_tokens / 1024 * _octave_knots(1024, 4)[4:],
        np.union1d(1.0, limits.prompts),
    ]
    axes[3][0] = 0.0
    axes = _needed(axes, seconds)
    contexts = _octave_knots(limits.context_tokens, 8)
    decode_s = seconds(**_decode_batch(np.arange(limits.decodes + 1.0)[:, None], contexts))
    if _spread(decode_s, axis=2) < UNCHANGED:
        contexts, decode_s = contexts[:1], decode_s[:, :, :1]
    cells_s = np.diff(contexts) * 0.5 * (decode_s[:, :, 1:] + decode_s[:, :, :-1])
    areas = np.pad(np.cumsum(cells_s, axis=2), ((0, 0), (0, 0), (1, 0)))
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    batch_s = seconds(**_mixed_batch(*grid)) - _company_s(seconds, limits, grid[0] * grid[1])
    axes.append(contexts)
    counts = np.array([len(axis) for axis in axes])
    return Times(
        decode_s=np.stack([decode_s, areas]),
        batch_s=batch_s,
        company_s=_company_s(seconds, limits, np.arange(limits.decodes + 1.0)),
        knots=np.stack([np.pad(axis, (0, counts.max() - len(axis))) for axis in axes]),
        counts=counts,
        row_cell=_cells(axes[0], limits.rows),
    )


def _company_s(seconds: Any, limits: Limits, decodes: ndarray) -> ndarray:
    """What decodes add to an iteration by their number alone, its tokens staying the same [s]."""

    def largest_s(decodes: Any) -> ndarray:
        return seconds(**_mixed_batch(rows, decodes / rows, 1.0, 0.0, 1.0))

    rows = limits.rows + 1.0
    few = FEW * rows
    present = np.clip(decodes, few, limits.rows)
    added_s = largest_s(present) - largest_s(np.full_like(present, few))
    return np.where(decodes > 0.0, added_s, 0.0)


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


def _mixed_batch(rows: Any, shares: Any, pairs: Any, contexts: Any, prompts: Any) -> dict[str, Any]:
    """Batches at knots of the table."""
    decodes = rows * shares
    return {
        "prefill_tokens": np.maximum(rows - decodes, FEW),
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

    Whether it does is told by a coarser table. With and without decodes is always told apart.
    """
    rows, shares, *others = axes
    coarse = [rows[:: max(len(rows) // 8, 1)], shares[::3], *others]
    sample = seconds(**_mixed_batch(*np.meshgrid(*coarse, indexing="ij", sparse=True)))
    changes = _spread(sample[:, :, 1:], axis=2) > UNCHANGED
    kept = [rows, shares if changes else shares[:2]]
    for axis, knots in enumerate(others, start=3):
        kept.append(knots if _spread(sample, axis=axis) > UNCHANGED else knots[:1])
    return kept


def _cells(knots: ndarray, largest: int) -> ndarray:
    cells = np.searchsorted(knots, np.arange(largest + 1), side="right") - 1
    return np.clip(cells, 0, max(len(knots) - 2, 0))
