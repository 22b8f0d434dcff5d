"""Several processes under `jax.distributed`: each does its share, and all know the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import numpy as np
from jax.experimental import multihost_utils

from splitmodel.errors import InputError
from splitmodel.sweep.parts import from_bytes, to_bytes
from splitmodel.sweep.reduction import Partial
from splitmodel.sweep.stream import Span


def share(spans: list[Span]) -> list[Span]:
    """The parts that this process does."""
    return spans[jax.process_index() :: jax.process_count()]


def gather(parts: Mapping[str, Partial]) -> list[dict[str, Partial]]:
    """Partial results of all processes, in their order; those of this one where it is alone."""
    if jax.process_count() == 1:
        return [dict(parts)]
    data = np.frombuffer(to_bytes(parts), np.uint8)
    lengths = multihost_utils.process_allgather(np.array(len(data)))
    padded = np.zeros(lengths.max(), np.uint8)
    padded[: len(data)] = data
    every = multihost_utils.process_allgather(padded)
    return [
        from_bytes(each[:length].tobytes()) for each, length in zip(every, lengths, strict=True)
    ]


def together(action: Callable[[], None]) -> None:
    """Let the first process do something while the others wait; if it fails, all do.

    Raises:
        InputError: what the first process met with.
    """
    problem = ""
    if jax.process_index() == 0:
        try:
            action()
        except InputError as raised:
            if jax.process_count() == 1:
                raise
            problem = str(raised)
    told = np.frombuffer(problem.encode(), np.uint8)
    first = gather({"problem": {"text": told}})[0]["problem"]["text"]
    if len(first):
        raise InputError(first.tobytes().decode())
