"""Iteration times read off a table, linear between its knots."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from splitmodel.simulate.compiled import kernel

ROWS, SHARES, PAIRS, CONTEXTS, PROMPTS, STEP_CONTEXTS = np.arange(6)
"""Axes: tokens computed; share of decodes among them; Σ P² over the square of the tokens computed;
mean context of the decoding requests [tokens]; prompts; and that context once more, for iterations
of decodes alone."""


class Times(NamedTuple):
    """Tables for every kind of instance; see `tabulate` for how they are made.

    An axis along which times do not change has one knot.
    """

    decode_s: Any
    """Time of a decode step [s], and its integral over the context from the first knot,
    [2, kinds, decodes, contexts]."""
    batch_s: Any
    """Time of an iteration with prompts [s], less `company_s`,
    [kinds, rows, shares, pairs, contexts, prompts]."""
    company_s: Any
    """What decodes add to an iteration with prompts by their number alone [s],
    [kinds, decodes + 1]; kinks of that are kept here."""
    knots: Any
    """Knots of each axis, [axes, most]."""
    counts: Any
    """How many there are, [axes]."""
    row_cell: Any
    """Cell of each number of tokens, [largest + 1]."""


@kernel
def batch_time_s(times, kind, prompt_tokens, square_tokens, prompts, decodes, context_tokens):
    """Time of an iteration with prompts [s].

    Args:
        times: the tables.
        kind: of the instance.
        prompt_tokens: prompt tokens computed.
        square_tokens: sum of the squares of the prompts' sizes.
        prompts: how many.
        decodes: requests that decode meanwhile.
        context_tokens: KV tokens that they read, all together.
    """
    rows = prompt_tokens + decodes
    row = times.row_cell[min(rows, len(times.row_cell) - 1)]
    along_row = _along(times, ROWS, row, rows)
    share, along_share = _place(times, SHARES, decodes / rows)
    pair, along_pair = _place(times, PAIRS, square_tokens / (rows * rows))
    read, along_read = _place(times, CONTEXTS, context_tokens / decodes if decodes else 0.0)
    many, along_many = _place(times, PROMPTS, prompts)
    total_s = times.company_s[kind, decodes]
    for corner in range(32):
        weight = along_row if corner & 1 else 1.0 - along_row
        weight *= along_share if corner & 2 else 1.0 - along_share
        weight *= along_pair if corner & 4 else 1.0 - along_pair
        weight *= along_read if corner & 8 else 1.0 - along_read
        weight *= along_many if corner & 16 else 1.0 - along_many
        if weight > 0.0:
            total_s += (
                weight
                * times.batch_s[
                    kind,
                    row + (corner & 1),
                    share + (corner >> 1 & 1),
                    pair + (corner >> 2 & 1),
                    read + (corner >> 3 & 1),
                    many + (corner >> 4),
                ]
            )
    return total_s


@kernel
def run_time_s(times, kind, decodes, context_tokens, steps):
    """Time of a run of decode steps [s], in which every context grows by a token each step.

    Args:
        times: the tables.
        kind: of the instance.
        decodes: requests that decode.
        context_tokens: KV tokens that the first step reads, all together.
        steps: how many.
    """
    if times.counts[STEP_CONTEXTS] == 1:
        return steps * times.decode_s[0, kind, decodes, 0]
    # The sum of a linear function over steps is its integral from half a step before the first to
    # half a step after the last.
    first = context_tokens / decodes - 0.5
    return _area(times, kind, decodes, first + steps) - _area(times, kind, decodes, first)


@kernel
def steps_within(times, kind, decodes, context_tokens, steps, elapsed_s):
    """Whole steps that a run of `steps` has completed after a time; else as in `run_time_s`."""
    if times.counts[STEP_CONTEXTS] == 1:
        return int(elapsed_s // times.decode_s[0, kind, decodes, 0])
    low, high = 0, steps
    while high - low > 1:
        middle = (low + high) // 2
        if run_time_s(times, kind, decodes, context_tokens, middle) <= elapsed_s:
            low = middle
        else:
            high = middle
    return low


@kernel
def _area(times, kind, decodes, context):
    """Integral of the time of a decode step from the first knot to a mean context."""
    cell = _cell(times, STEP_CONTEXTS, context)
    knots, steps_s = times.knots[STEP_CONTEXTS], times.decode_s[0, kind, decodes]
    left_s, right_s = steps_s[cell], steps_s[cell + 1]
    slope = (right_s - left_s) / (knots[cell + 1] - knots[cell])
    along = context - knots[cell]
    return times.decode_s[1, kind, decodes, cell] + along * (left_s + 0.5 * slope * along)


@kernel
def _place(times, axis, x):
    """Cell of an axis that holds `x`, and how far along it that is."""
    cell = _cell(times, axis, x)
    return cell, _along(times, axis, cell, x)


@kernel
def _cell(times, axis, x):
    """The cell between two knots that holds `x`, or the outermost one on its side."""
    low, high = 0, times.counts[axis] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if times.knots[axis, middle] <= x:
            low = middle
        else:
            high = middle
    return low


@kernel
def _along(times, axis, cell, x):
    """How far `x` is along a cell, from 0 to 1."""
    if times.counts[axis] == 1:
        return 0.0
    left, right = times.knots[axis, cell], times.knots[axis, cell + 1]
    return min(max((x - left) / (right - left), 0.0), 1.0)
