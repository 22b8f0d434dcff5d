"""Ways to leave configurations of the published profile out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from splitmodel_calibration.datasets.splitwise import OUTPUT_TOKENS

FOLDS = 5
PROMPTS = (256, 1024, 2048, 4096)
BATCHES = (2, 4, 8, 16, 32)
"""Sizes left out in turn, prompts at batch 1 and batches at prompt 512; the outer ones stay."""


class Split(NamedTuple):
    """One way to leave rows out; masks of shape [rows]."""

    name: str
    trained: np.ndarray
    tested: np.ndarray


def splits(rows: pd.DataFrame, seed: int = 0) -> Iterator[Split]:
    """All splits; those of one name are scored together.

    Args:
        rows: of the published profile, as in `Measurements.rows`.
        seed: of the folds.
    """
    prompt = prompts_of(rows)
    batch, tp = rows.batch_size.to_numpy(), rows.tensor_parallel.to_numpy()
    llama, old = (rows.model == "llama2-70b").to_numpy(), (rows.machine == "DGX-A100").to_numpy()
    everything = np.ones(len(rows), bool)
    yield Split("in-sample", everything, everything)
    yield from _folds(rows, seed)
    for size in BATCHES:
        yield _without("leave one batch size out", (batch == size) & (prompt == 512))
    for size in PROMPTS:
        yield _without("leave one prompt size out", (prompt == size) & (batch == 1))
    for width in (2, 4, 8):
        yield _without(f"leave TP {width} out", tp == width)
    yield _without("Llama to BLOOM, nothing", ~llama)
    points = ((prompt == 512) & np.isin(batch, (1, 32))) | ((prompt == 4096) & (batch == 1))
    yield _without("Llama to BLOOM, 3 points", ~llama & ~points)
    one = llama & (tp == 8) & (prompt == 512) & (batch == 1)
    four = ((prompt == 128) & (batch == 1)) | ((prompt == 512) & (batch == 16))
    four &= llama & np.isin(tp, (2, 8))
    for name, target in (("A100 to H100", ~old), ("H100 to A100", old)):
        yield _without(f"{name}, specs only", target)
        yield _without(f"{name}, 1 point", target & ~one)
        yield _without(f"{name}, 4 points", target & ~four)


def prompts_of(rows: pd.DataFrame) -> np.ndarray:
    """Prompt size of each row's configuration [tokens]; decode rows hold the mean context."""
    return (rows.tokens - (rows.phase == "decode") * (OUTPUT_TOKENS // 2)).to_numpy()


def configurations_of(rows: pd.DataFrame) -> np.ndarray:
    """Number of each row's configuration, which a prefill and a decode row share."""
    configured = rows.assign(prompt=prompts_of(rows))
    keys = ["machine", "model", "tensor_parallel", "batch_size", "prompt"]
    return configured.groupby(keys).ngroup().to_numpy()


def _without(name: str, tested: np.ndarray) -> Split:
    return Split(name, ~tested, tested)


def _folds(rows: pd.DataFrame, seed: int) -> Iterator[Split]:
    """Both phases of a configuration fall in the same fold."""
    configuration = configurations_of(rows)
    order = np.random.default_rng(seed).permutation(configuration.max() + 1)
    fold = order[configuration] % FOLDS
    for index in range(FOLDS):
        yield _without(f"{FOLDS}-fold", fold == index)
