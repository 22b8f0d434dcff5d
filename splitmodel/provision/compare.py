"""The same decision under several semantics, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import xarray as xr

from splitmodel.provision.provision import provision
from splitmodel.specs.semantics import SEMANTICS, resolve_semantics
from splitmodel.specs.workload import Workload


def compare_semantics(
    load: Workload, *, semantics: Sequence[str] = tuple(SEMANTICS), **question: Any
) -> xr.DataTree:
    """`provision` under each of several semantics.

    Args:
        load: request sizes and arrival rate.
        semantics: names, each once.
        question: the other arguments of `provision`.

    Returns:
        Tree with one Dataset of `provision` per name.

    Raises:
        InputError: as `provision` does.
    """
    for name in semantics:
        resolve_semantics(name)
    # Compilation takes most of the time and one core each.
    with ThreadPoolExecutor() as threads:
        answers = threads.map(lambda name: provision(load, semantics=name, **question), semantics)
        return xr.DataTree.from_dict(dict(zip(semantics, answers, strict=True)))
