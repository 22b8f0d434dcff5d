"""A profile of one's own: iteration times in a CSV file.

Columns, one row per measurement; rows of one configuration are repeats:

    phase              prefill or decode
    model              name in the catalogue, or a file as `--model` takes it
    tensor_parallel    GPUs that share each layer
    pipeline_parallel  stages (optional, 1)
    batch_size         prompts computed, or requests that each generate one token
    tokens             prefill: of each prompt; decode: of KV cache that each request reads
    time_s             time of the iteration, in seconds
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from splitmodel.errors import InputError, check_choice
from splitmodel.iteration.estimate import iteration_time
from splitmodel.specs.catalogue import machine as catalogue_machine
from splitmodel.specs.catalogue import transformer
from splitmodel.specs.hardware import Machine
from splitmodel_calibration.datasets.measurements import COLUMNS, Measurements

NEEDED = ("phase", "model", "tensor_parallel", "batch_size", "tokens", "time_s")
PHASES = ("prefill", "decode")
_CONFIGURATION = [name for name in COLUMNS if name != "time_s"]
_CONFLICT = 2.0
"""Repeats further apart than this factor are not of one configuration."""
_OTHER_UNIT = 30.0
"""Times further from what is expected than this factor are in another unit."""


def own_profile(path: str | Path, machine: str | Path | Machine) -> Measurements:
    """Read a profile of one machine.

    Args:
        path: CSV file as described above.
        machine: name in the catalogue, file or `Machine`.

    Raises:
        InputError: for a file that cannot be read, a missing or unknown column, a bad value (with
            its line), times in another unit, or repeats that contradict each other.
    """
    server = catalogue_machine(machine)
    path = Path(path)
    try:
        raw = path.read_bytes()
        table = pd.read_csv(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as problem:
        raise InputError(f"data: {path} cannot be read as CSV: {problem}") from problem
    except pd.errors.EmptyDataError as problem:
        raise InputError(f"data: {path} is empty") from problem
    _check_columns(path, table)
    if table.empty:
        raise InputError(f"data: {path} has no rows below its header")
    if "pipeline_parallel" not in table:
        table["pipeline_parallel"] = 1
    table = table.assign(machine=str(server.label.value))
    for name in ("tensor_parallel", "pipeline_parallel", "batch_size", "tokens", "time_s"):
        table[name] = _positive(path, name, table[name].to_numpy())
    for value in table.phase.unique():
        check_choice("phase", value, PHASES)
    notes = []
    repeated = table.duplicated(list(COLUMNS))
    if repeated.any():
        notes.append(f"left out {repeated.sum()} rows that are exact copies of others")
        table = table.drop_duplicates(list(COLUMNS))
    _check_repeats(path, table)
    rows = table.groupby(_CONFIGURATION, as_index=False).time_s.median()
    joined = len(table) - len(rows)
    if joined:
        notes.append(f"joined {joined} repeats: the median of each configuration counts")
    _check_unit(rows, server)
    return Measurements(
        rows.loc[:, list(COLUMNS)], tuple(notes), str(path), hashlib.sha256(raw).hexdigest()
    )


def _check_columns(path: Path, table: pd.DataFrame) -> None:
    missing = [name for name in NEEDED if name not in table]
    if not missing:
        return
    hint = "; time_ms must be given in seconds, as time_s" if "time_ms" in table else ""
    raise InputError(
        f"data: {path} lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}; "
        f"needed are {', '.join(NEEDED)}{hint}"
    )


def _positive(path: Path, name: str, column: np.ndarray) -> np.ndarray:
    numbers = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=float)
    bad = ~(np.isfinite(numbers) & (numbers > 0.0))
    if bad.any():
        place = int(np.argmax(bad))
        raise InputError(
            f"{name}: {path} line {place + 2} has {column[place]}; a positive number is needed"
        )
    return numbers


def _check_repeats(path: Path, table: pd.DataFrame) -> None:
    times = table.groupby(_CONFIGURATION).time_s
    apart = times.transform("max") / times.transform("min")
    if (apart > _CONFLICT).any():
        lines = [str(index + 2) for index in table.index[apart > _CONFLICT][:4]]
        raise InputError(
            f"time_s: {path} lines {', '.join(lines)} are of one configuration, but their times "
            f"differ {apart.max():.1f} times, more than {_CONFLICT:g}; remove the wrong ones"
        )


def _check_unit(rows: pd.DataFrame, server: Machine) -> None:
    """Times far from any that the hardware could take are in milliseconds or the like."""
    expected_s = np.empty(len(rows))
    for _, group in rows.groupby(["phase", "model"]):
        phase, model = group.phase.iloc[0], group.model.iloc[0]
        # Unknown models and impossible parallelism end here, too.
        tokens = "prompt_tokens" if phase == "prefill" else "context_tokens"
        expected_s[group.index] = iteration_time(
            phase,
            model=transformer(model),
            machine=server,
            tensor_parallel=group.tensor_parallel.to_numpy(),
            pipeline_parallel=group.pipeline_parallel.to_numpy(),
            batch_size=group.batch_size.to_numpy(),
            timing="roofline",
            stack="splitwise-2023",
            **{tokens: group.tokens.to_numpy()},
        )
    ratio = float(np.median(rows.time_s / expected_s))
    if ratio > _OTHER_UNIT:
        raise InputError(
            f"time_s: the times are {ratio:,.0f} times those expected of this machine; they look "
            "like milliseconds: divide them by 1000"
        )
    if ratio < 1.0 / _OTHER_UNIT:
        raise InputError(
            f"time_s: the times are {1.0 / ratio:,.0f} times below those expected of this "
            "machine; seconds per iteration of the whole batch are needed"
        )
