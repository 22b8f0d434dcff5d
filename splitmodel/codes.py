"""The codes that stand in results for a configuration's fate and for what limits its speed."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """What became of a configuration; anything but `OK` leaves its latencies without a value."""

    OK = 0
    """The cluster serves the load in a steady state."""
    UNSTABLE = 1
    """The arrival rate is at or above the saturation rate, so queues grow without end."""
    OUT_OF_MEMORY = 2
    """The weights, or the KV cache of a single request, do not fit a machine."""
    NO_PROFILE = 3
    """Interpolated timing of a model, GPU and tensor parallelism that nobody measured."""


class Bound(IntEnum):
    """The resource that takes the largest part of an iteration's time."""

    COMPUTE = 0
    """The GPU's matrix rate."""
    HBM = 1
    """The GPU's memory bandwidth."""
    COLLECTIVE = 2
    """Messages between the GPUs of an instance."""
    HOST = 3
    """The serving stack's own time, launches included."""
