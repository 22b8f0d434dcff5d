"""Measured iteration times in the one form that fits take."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

COLUMNS = (
    "machine",
    "model",
    "tensor_parallel",
    "pipeline_parallel",
    "phase",
    "batch_size",
    "tokens",
    "time_s",
)


class Measurements(NamedTuple):
    """Iteration times of configurations, and what was left out on the way."""

    rows: pd.DataFrame
    """One row per configuration and phase, with COLUMNS; `tokens` are those of each prompt
    (prefill) or of each request's context (decode), `time_s` is the median over repeats."""
    notes: tuple[str, ...]
    """What was left out or joined, and why."""
    source: str
    """Where they come from."""
    sha256: str
    """Hash of the raw file."""
