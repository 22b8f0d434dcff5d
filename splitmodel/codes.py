"""The codes that stand in results for a configuration's fate and for what limits its speed."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """A number for results together with what it means in words."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Code:
        """Member whose value is the number alone."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code


class Status(Code):
    """What became of a configuration; anything but `OK` leaves its latencies without a value."""

    OK = 0, "the cluster serves the load in a steady state"
    UNSTABLE = 1, "the arrival rate is at or above the saturation rate: queues grow without end"
    OUT_OF_MEMORY = 2, "the weights, or the KV cache of one request, do not fit a machine"
    NO_PROFILE = 3, "nobody measured this model, GPU and tensor parallelism to interpolate from"


class Bound(Code):
    """The resource that takes the largest part of an iteration's time."""

    COMPUTE = 0, "the GPU's matrix rate"
    HBM = 1, "the GPU's memory bandwidth"
    COLLECTIVE = 2, "messages between the GPUs of an instance"
    HOST = 3, "the serving stack's own time, launches included"
