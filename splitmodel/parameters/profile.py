"""The published profile's digest: iteration times by (model, GPU, tensor parallelism)."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

DIGEST = Path(str(files("splitmodel.parameters") / "splitwise_medians.csv"))

MODELS = ("llama2-70b", "bloom-176b")
GPUS = ("a100-80gb", "h100-80gb")
TENSOR_PARALLEL = (2, 4, 8)


class Profile(NamedTuple):
    """Pooled medians; entries that were not measured are NaN."""

    batched_tokens: np.ndarray
    """Knots x = prompt size × batch size, shape [knots]."""
    prefill_s: np.ndarray
    """Prompt time [s], shape [models, GPUs, TP, knots]."""
    decode_s: np.ndarray
    """Time of one decode iteration [s], same shape."""


@cache
def published_profile() -> Profile:
    """Read the shipped digest.

    References:
        Patel et al., Splitwise, ISCA 2024, profile of its simulator (see the file's header).
    """
    with DIGEST.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    knots = sorted({int(row["batched_tokens"]) for row in rows})
    shape = (len(MODELS), len(GPUS), len(TENSOR_PARALLEL), len(knots))
    prefill_s, decode_s = np.full(shape, np.nan), np.full(shape, np.nan)
    for row in rows:
        index = (
            MODELS.index(row["model"]),
            GPUS.index(row["gpu"]),
            TENSOR_PARALLEL.index(int(row["tensor_parallel"])),
            knots.index(int(row["batched_tokens"])),
        )
        prefill_s[index] = float(row["prefill_s"])
        decode_s[index] = float(row["decode_s"])
    return Profile(np.array(knots, dtype=np.float64), prefill_s, decode_s)
