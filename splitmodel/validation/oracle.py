"""What simulation says about the designed space: highest rates, and percentiles below them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from tqdm import tqdm

from splitmodel.errors import InputError
from splitmodel.provision.max_rate import SEEDS, max_rate
from splitmodel.results import complete_file
from splitmodel.simulate.options import steady
from splitmodel.simulate.trace import REQUESTS
from splitmodel.validation.clusters import Case, case, loads
from splitmodel.variables import PERCENTILES

COMPARED = ("ttft_s", "tbt_s", "e2e_s")
"""Metrics that are compared; the first ones of `METRICS`."""
INTERVAL = 0.9
"""Confidence of the interval of a mean, half of which is kept beside it."""
_SEARCHED, _MEASURED = 0, 1
"""Seeds of the requests that find the highest rate, and of those that give percentiles."""


class Measured(NamedTuple):
    """A cluster under one load."""

    cluster: int
    """Number of the cluster in the space."""
    case: Case
    highest_rate_rps: float
    """0 where no rate meets the limits; there are then no percentiles."""
    load: float
    """Arrival rate over the highest one."""
    mean_s: np.ndarray
    """Mean percentiles over runs [s], [metrics, percentiles]."""
    half_s: np.ndarray
    """Half their confidence intervals [s]."""


_CELLS = [f"{name.removesuffix('_s')}_p{p}" for name in COMPARED for p in PERCENTILES]
_HEADER = (
    "cluster",
    *Case._fields,
    "highest_rate_rps",
    "load",
    *(f"{cell}_s" for cell in _CELLS),
    *(f"{cell}_half_s" for cell in _CELLS),
)
_EXPLAINED = f"# Means over runs [s]; *_half_s: half their {INTERVAL:.0%} confidence intervals."


def simulate_space(
    path: Path, *, clusters: int, seed: int, seeds: int, duration_s: float, progress: bool
) -> None:
    """Simulate the first clusters of the space into a CSV file.

    The file is whole after each cluster. Those that it holds already are not simulated again.

    Args:
        path: file, new or to be continued.
        clusters: how many.
        seed: of the space.
        seeds: runs under each load, at least 2.
        duration_s: of a run at least [s]; small clusters run until they have seen 10,000 requests.
        progress: show a bar with the time left.

    Raises:
        InputError: for a file that was made otherwise.
    """
    origin = f"# splitmodel validate --seed {seed} --seeds {seeds} --duration {duration_s:g}"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if lines and lines[0] != origin:
        raise InputError(f"{path}: was made otherwise ({lines[0]}); give another --out")
    lines = lines or [origin, _EXPLAINED, ",".join(_HEADER)]
    done = {measured.cluster for measured in parse(lines)}
    left = [index for index in range(clusters) if index not in done]
    for index in tqdm(left, unit="cluster", disable=not progress):
        measured = _simulate(case(seed, index), index, loads(seed, index), seeds, duration_s)
        lines += [",".join(_cells(each)) for each in measured]
        with complete_file(path) as unfinished:
            unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def read(path: str | Path) -> list[Measured]:
    """Rows of a file that `simulate_space` wrote.

    Raises:
        InputError: for a file that is none.
    """
    try:
        found = list(parse(Path(path).read_text(encoding="utf-8").splitlines()))
    except OSError as problem:
        raise InputError(f"{path}: cannot be read: {problem.strerror}") from problem
    except (KeyError, TypeError, ValueError) as problem:
        raise InputError(f"{path}: not written by `splitmodel validate --out`") from problem
    if not found:
        raise InputError(f"{path}: holds no cluster")
    return found


def parse(lines: Iterable[str]) -> Iterator[Measured]:
    """Rows of the text of a file."""
    shape = (len(COMPARED), len(PERCENTILES))
    kinds = get_type_hints(Case)
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        mean_s, half_s = (
            np.array([float(row[f"{cell}{end}"]) for cell in _CELLS]).reshape(shape)
            for end in ("_s", "_half_s")
        )
        yield Measured(
            cluster=int(row["cluster"]),
            case=Case(**{name: _READ[kinds[name]](row[name]) for name in Case._fields}),
            highest_rate_rps=float(row["highest_rate_rps"]),
            load=float(row["load"]),
            mean_s=mean_s,
            half_s=half_s,
        )


_READ: dict[type, Any] = {str: str, int: int, bool: lambda text: bool(int(text))}


def _cells(each: Measured) -> list[str]:
    values = [int(value) if isinstance(value, bool) else value for value in each.case]
    return [
        *map(str, (each.cluster, *values)),
        f"{each.highest_rate_rps:.5g}",
        f"{each.load:g}",
        *(f"{value:.5g}" for value in each.mean_s.ravel()),
        *(f"{value:.2g}" for value in each.half_s.ravel()),
    ]


def _simulate(
    one: Case, index: int, shares: list[float], seeds: int, duration_s: float
) -> list[Measured]:
    """A cluster under each load; without a rate that meets the limits one row without results."""
    # The compiler of this tier takes a while to import, for which the other need not wait.
    from splitmodel.simulate.sample import sample
    from splitmodel.simulate.summary import half_width

    asked: dict[str, Any] = {"model": one.model, "semantics": one.semantics, "workload": one.load}
    guess_rps = max_rate(one.cluster, **asked)
    highest_rps = max_rate(
        one.cluster,
        **asked,
        tier="simulate",
        seed=_SEARCHED,
        seeds=min(SEEDS, seeds),
        duration_s=max(duration_s, REQUESTS / guess_rps) if guess_rps else duration_s,
    )
    if highest_rps == 0.0:
        none = np.full((len(COMPARED), len(PERCENTILES)), np.nan)
        return [Measured(index, one, 0.0, 0.0, none, none)]
    setting, rows = one.question.setting(one.cluster), []
    for share in shares:
        rate_rps = share * highest_rps
        options = steady(
            seed=_MEASURED, seeds=seeds, duration_s=max(duration_s, REQUESTS / rate_rps)
        )
        found = sample(setting, one.load.with_rate(rate_rps), options)
        half_s = half_width(found.percentiles, INTERVAL)[: len(COMPARED)]
        rows.append(Measured(index, one, highest_rps, share, found.mean[: len(COMPARED)], half_s))
    return rows
