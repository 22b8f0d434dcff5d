"""What a store says of its sweep: enough to know that another run gives the same bits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jax
import numpy as np

from splitmodel.sweep.job import Job


def manifest_of(job: Job, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Readable fields, with digests of what is too long to read.

    Args:
        job: the sweep.
        attrs: provenance of its results.
    """
    device = jax.local_devices()[0]
    return {
        "format": 1,
        **{name: value for name, value in attrs.items() if isinstance(value, str)},
        "splitmodel_version": version("splitmodel"),
        "code": _code(),
        "jax_version": jax.__version__,
        "compiler": sorted(
            # How many devices there are changes no result.
            flag
            for flag in os.environ.get("XLA_FLAGS", "").split()
            if "device_count" not in flag
        ),
        "device": f"{device.platform} {device.device_kind}",
        "precision": "float64" if job.x64 else "float32",
        "block_rows": job.lattice.block_rows,
        "blocks": job.lattice.blocks,
        "configurations": job.lattice.size,
        "reductions": {name: repr(each) for name, each in job.reductions.items()},
        "hardware_and_workload": _digest(job.lattice.tables),
        "model_limits_and_calibration": _digest(job.function),
    }


def _digest(tree: Any) -> str:
    """Of structure and values."""
    leaves, structure = jax.tree.flatten(tree)
    digest = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()[:16]


@cache
def _code() -> str:
    """Digest of the package's code and data, so that a development version is told from another."""
    root = Path(str(files("splitmodel")))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".toml", ".csv"}:
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
