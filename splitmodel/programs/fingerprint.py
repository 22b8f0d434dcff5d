"""What a computation depends on, as a name that is the same in every process."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from functools import cache, partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import jax
import numpy as np

from splitmodel.specs.host_only import HostOnly

_OURS = __name__.partition(".")[0]
_VERSIONED = ("jax", "jaxlib", "equinox", "jaxtyping", "numpy")
"""Libraries that programs are made with, whose code is known by their versions."""
_KNOWN = {*_VERSIONED, *sys.stdlib_module_names}
_WITHOUT_CODE = {*_VERSIONED, "builtins", "collections", "types", "typing"}
"""Where callable objects come from that a name tells all of."""
_CONFIGURED = ("jax_enable_x64", "jax_default_matmul_precision", "jax_numpy_dtype_promotion")
"""Settings of JAX that change what is computed."""


class NoFingerprintError(Exception):
    """A value has, or its code reaches, code of neither this package nor a known library."""


def fingerprint(value: Any) -> str:
    """Of a value and all of this package that its code may reach, 64 hexadecimal digits.

    Of the package it has the files, and of modules that are reached also the functions, classes and
    constants, as somebody may have changed them in this process. Labels do not count.

    Args:
        value: data, pytrees and their structures, functions and classes, nested in any way.

    Raises:
        NoFingerprintError: for code of others, which may change without notice.
    """
    found = _Found()
    parts = [found.described(value), package_digest(), sys.version, jax.default_backend()]
    parts += [*map(version, _VERSIONED), *(getattr(jax.config, name) for name in _CONFIGURED)]
    return hashlib.sha256(repr((parts, found.modules())).encode()).hexdigest()


@cache
def package_digest() -> str:
    """Of the package's code and data, so that a development version is told from another."""
    root = Path(str(files(_OURS)))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".toml", ".csv"}:
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


class _Found:
    """Descriptions of values, and the modules of the package that these come from."""

    def __init__(self):
        self._modules: dict[str, Any] = {}
        self._inside: set[int] = set()

    def modules(self) -> list[tuple[str, Any]]:
        """Description of each module that was reached, or is reached from one that was."""
        while left := [name for name, described in self._modules.items() if described is None]:
            for module in left:
                names = vars(sys.modules[module]).items()
                own = {name: value for name, value in names if not name.startswith("__")}
                self._modules[module] = self.described(own)
        return sorted(self._modules.items())

    def described(self, value: Any) -> Any:
        """Nested tuples of text and numbers.

        Raises:
            NoFingerprintError: for code of others.
        """
        if value is None or isinstance(value, str | bytes | bool | int | float):
            return value
        if id(value) in self._inside:
            return "itself"
        self._inside.add(id(value))
        try:
            return self._of_kind(value)
        finally:
            self._inside.remove(id(value))

    def _of_kind(self, value: Any) -> Any:
        if isinstance(value, type):
            return self._named(value), self._methods(value)
        if isinstance(value, FunctionType):
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            beside = [cells, value.__defaults__, value.__kwdefaults__]
            return self._named(value), _code(value.__code__), self.described(beside)
        kind = self._named(type(value))
        if isinstance(value, HostOnly | set):
            return kind  # labels, and what has been computed so far
        if hasattr(value, "__wrapped__"):
            return kind, self.described(value.__wrapped__)
        if isinstance(value, tuple | list):
            return kind, *map(self.described, value)
        if isinstance(value, dict):
            return kind, *map(self.described, value.items())
        if isinstance(value, frozenset):
            return kind, *sorted(map(repr, map(self.described, value)))
        if isinstance(value, np.ndarray | np.generic | jax.Array):
            array = np.asarray(value)
            return str(array.dtype), array.shape, array.tobytes()
        if isinstance(value, jax.tree_util.PyTreeDef):
            return self.described(jax.tree.unflatten(value, range(value.num_leaves)))
        if dataclasses.is_dataclass(value):
            names = [each.name for each in dataclasses.fields(value)]
            return kind, *(self.described(getattr(value, name)) for name in names)
        if isinstance(value, partial):
            return kind, self.described([value.func, value.args, value.keywords])
        if callable(value) and kind[0].partition(".")[0] not in _WITHOUT_CODE:
            raise NoFingerprintError(repr(value))
        text = repr(value)
        return kind if " at 0x" in text else (kind, text)

    def _named(self, value: Any) -> tuple[str, str]:
        """Name of a class or function, whose module is noted."""
        root = value.__module__.partition(".")[0]
        if root == _OURS:
            self._modules.setdefault(value.__module__, None)
        elif root not in _KNOWN:
            raise NoFingerprintError(repr(value))
        return value.__module__, value.__qualname__

    def _methods(self, value: type) -> Any:
        """Code of a class of this package."""
        if value.__module__.partition(".")[0] != _OURS:
            return None
        inner = {name: _inner(each) for name, each in vars(value).items()}
        functions = {name: each for name, each in inner.items() if isinstance(each, FunctionType)}
        return [(name, _code(each.__code__)) for name, each in sorted(functions.items())]


def _inner(member: Any) -> Any:
    """The function behind a method or property of a class."""
    member = member.fget if isinstance(member, property) else member
    return getattr(member, "__wrapped__", member)


def _code(code: CodeType) -> tuple[Any, ...]:
    constants = [_code(each) if isinstance(each, CodeType) else each for each in code.co_consts]
    known = [repr(each) for each in constants if not isinstance(each, frozenset)]
    return code.co_code, code.co_names, known
