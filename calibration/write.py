"""Fitted parameters as the TOML that the library reads, with provenance and uncertainty."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit

from splitmodel.parameters.calibration import MISFITS
from splitmodel.parameters.efficiency import PowerUse
from splitmodel.results import complete_file
from splitmodel_calibration.fit.fit import Fit
from splitmodel_calibration.fit.priors import pinned, priors
from splitmodel_calibration.fit.uncertainty import Uncertainty

_SHARED = ("gemm_norm", "norm", "crowd_requests")
_OF_GPU = ("collective_step_bytes", "collective_burst_bytes", "layer_latency_s")


def write_calibration(
    path: str | Path,
    fit: Fit,
    found: Uncertainty,
    provenance: Mapping[str, Any],
    power: Mapping[str, PowerUse] | None = None,
) -> None:
    """Write a calibration file.

    Args:
        path: file to write.
        fit: parameters at the optimum.
        found: their uncertainty.
        provenance: what the fit is of and how well it does; date and version are added.
        power: draw by GPU, where it was fitted.

    Raises:
        InputError: if the file cannot be written.
    """
    document = tomlkit.document()
    for line in (
        "Parameters of the model; names as in splitmodel/parameters/efficiency.py. Behind each its",
        "standard deviation; where the data say little it is mostly the prior, and that is said.",
    ):
        document.add(tomlkit.comment(line))
    document["provenance"] = {
        **provenance,
        "date": datetime.date.today(),
        "commit": _commit(),
        "loss": _rounded(fit.loss),
    }
    scanned = {name: _pinned_value(fit, name) for name in pinned()}
    shared = tomlkit.table()
    for name in _SHARED:
        shared.add(name, scanned[name])
    document["shared"] = shared
    values = dict(zip(found.keys, np.exp(fit.log_parameters), strict=False))
    for kind, names in (("gpu", fit.problem.gpus), ("host", fit.problem.hosts)):
        tables = tomlkit.table(is_super_table=True)
        for name in names:
            table = tomlkit.table()
            for place, key in enumerate(found.keys):
                field = key.removeprefix(f"{kind}.{name}.")
                if field == key or field in MISFITS:
                    continue
                table.add(field, _rounded(values[key]))
                table[field].comment(_how_sure(found, place))
            if kind == "gpu":
                for field in _OF_GPU:
                    table.add(field, scanned[field])
                    table[field].comment("not fitted")
            tables.add(name, table)
        document[kind] = tables
    if power:
        document["power"] = {
            name: {field: _rounded(value, 9) for field, value in asdict(use).items()}
            for name, use in power.items()
        }
    document["uncertainty"] = _uncertainty_table(found)
    with complete_file(path) as unfinished:
        unfinished.write_text(tomlkit.dumps(document), encoding="utf-8", newline="\n")


def _uncertainty_table(found: Uncertainty) -> Any:
    table = tomlkit.table()
    table.add(tomlkit.comment("Covariance of the logarithms, in the order of the keys."))
    for name, rows in (("keys", found.keys), ("covariance", found.covariance)):
        array = tomlkit.array().multiline(True)
        array.extend(rows if name == "keys" else [list(map(_rounded, row)) for row in rows])
        table.add(name, array)
    table.add("between", {name: prior.between for name, prior in priors().items()})
    table["between"].comment("from one GPU or machine to the next")
    return table


def _how_sure(found: Uncertainty, place: int) -> str:
    share = f"± {100.0 * found.sd[place]:.2g}%"
    return share if found.determined[place] else f"{share}, mostly prior"


def _pinned_value(fit: Fit, name: str) -> float:
    machines = fit.problem.machines
    for module in (machines.gpu.efficiency, machines.host_time):
        if hasattr(module, name):
            return _rounded(np.asarray(getattr(module, name))[0])
    raise AssertionError(name)


def _rounded(value: Any, digits: int = 6) -> float:
    return float(f"{float(value):.{digits}g}")


def _commit() -> str:
    """Commit of the code that fits, where it runs from a checkout."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
