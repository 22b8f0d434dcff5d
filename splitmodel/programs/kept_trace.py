"""Programs kept on disk as JAX has traced them, which takes longer than to load them compiled.

JAX's persistent cache holds compiled programs, but to find one there JAX has to trace it. Here its
StableHLO lies beside, under a name that is a fingerprint of all that a trace depends on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
from jax import export

from splitmodel.errors import InputError
from splitmodel.programs.fingerprint import NoFingerprintError, fingerprint
from splitmodel.results import complete_file

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS = ("compilation_cache_dir", "enable_compilation_cache")
_DIGEST = 32
"""Bytes of a file that tell whether the rest of it is whole."""


def kept(function: F, returns: type[eqx.Module] | None = None) -> F:
    """The function as one that is traced once for all processes that share JAX's cache.

    It cannot be differentiated or mapped over: do that inside. Where JAX keeps nothing, or a trace
    depends on code of others, such as a timing of the user's own, it stays as it is.

    Args:
        function: pure, of pytrees of arrays.
        returns: class of its result, which has arrays as fields; by default arrays in dicts, lists
            and tuples.
    """

    @wraps(function)
    def call(*args: Any) -> Any:
        leaves, structure = jax.tree.flatten(args)
        shapes = [jax.typeof(leaf).update(weak_type=False) for leaf in leaves]
        path = _path(function, structure, tuple(map(str, shapes)))
        if path is None:
            return function(*args)
        program = _read(path)
        if program is None:

            def flat(*leaves: jax.Array) -> Any:
                found = function(*jax.tree.unflatten(structure, leaves))
                return found if returns is None else dict(vars(found))

            program = export.export(jax.jit(flat))(*shapes)
            _write(path, bytes(program.serialize()))
        result: Any = program.call(*leaves)
        return result if returns is None else returns(**result)

    return call  # pyright: ignore[reportReturnType]


def _path(*of: Any) -> Path | None:
    """Where a trace of this is kept, if it is."""
    named, enabled = (jax.config.values[f"jax_{name}"] for name in _SETTINGS)
    if not enabled or not named or "://" in named:
        return None
    try:
        return Path(named) / "splitmodel-traces" / fingerprint(of)
    except NoFingerprintError:
        return None


def _read(path: Path) -> export.Exported | None:
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    digest, program = whole[:_DIGEST], whole[_DIGEST:]
    return export.deserialize(bytearray(program)) if _digest(program) == digest else None


def _write(path: Path, program: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with complete_file(path) as unfinished:
            unfinished.write_bytes(_digest(program) + program)
    except (InputError, OSError):
        pass  # JAX warns of a folder that it cannot write to.


def _digest(program: bytes) -> bytes:
    return hashlib.sha256(program).digest()
