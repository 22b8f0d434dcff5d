"""What a store says of its sweep: enough to know that another run gives the same bits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from splitmodel.programs.fingerprint import package_digest
from splitmodel.sweep.job import Job


def manifest_of(job: Job, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Readable fields, with digests of what is too long to read.

    Args:
        job: the sweep.
        attrs: provenance of its results.
    """
    devices = {f"{each.platform} {each.device_kind}" for each in jax.local_devices()}
    return {
        "format": 1,
        **{name: value for name, value in attrs.items() if isinstance(value, str)},
        "splitmodel_version": version("splitmodel"),
        "code": package_digest()[:16],
        "jax_version": jax.__version__,
        "compiler": sorted(
            # How many devices there are does not change what each of them runs.
            flag
            for flag in os.environ.get("XLA_FLAGS", "").split()
            if "device_count" not in flag
        ),
        "device": ", ".join(sorted(devices)),
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
