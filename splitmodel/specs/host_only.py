"""Labels and raw data that ride along with a pytree without being part of its structure."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class HostOnly(Generic[T]):
    """A host-side value in a static field, such as a name.

    All instances compare equal, so two machines with different names share one tree structure
    and hence one compilation. Traced code must therefore never read `value`: after a cache hit it
    would see the value of an earlier call.
    """

    __slots__ = ("value",)

    def __init__(self, value: T):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostOnly)

    def __hash__(self) -> int:
        return hash(HostOnly)

    def __repr__(self) -> str:
        return repr(self.value)
