"""Compilation of the event loop to machine code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib import import_module
from inspect import unwrap
from pathlib import Path
from typing import Any

import numba

_HERE = Path(__file__).parent
_config: Any = import_module("numba.core.config")


_ALL: Any = {"nogil": True, "error_model": "numpy"}
_INNER: Any = _ALL | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def kernel(function: Callable[..., Any], counts: bool = False) -> Callable[..., Any]:
    """`function` compiled by numba where another kernel calls it; from Python it cannot be called.

    What a checker of types has wrapped is unwrapped, since only plain functions compile.

    Args:
        function: called by kernels, which keep its arguments alive.
        counts: whether to count references to arrays and lists, as whoever makes an array or looks
            through a list has to. The others are three to five times as fast without.
    """
    options: Any = _INNER | {"_nrt": counts}
    return numba.njit(**options)(unwrap(function))


def cached_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled once for all processes, with all kernels that it calls.

    It is compiled on its first call and runs without the interpreter's lock.

    numba looks for changes in the file of `function` alone. The folder of the cache therefore
    depends on every file of this package, so that no change to another file is missed. Where
    nothing can be written, each process compiles for itself.
    """
    plain = unwrap(function)
    sources = b"".join(path.read_bytes() for path in sorted(_HERE.glob("*.py")))
    chosen = _config.CACHE_DIR
    own = _HERE / "__pycache__"
    home = Path.home() / ".cache" / "splitmodel"
    root = Path(chosen) if chosen else own if os.access(_HERE, os.W_OK) else home
    _config.CACHE_DIR = str(root / f"kernels-{hashlib.sha256(sources).hexdigest()[:16]}")
    try:
        return numba.njit(cache=True, **_ALL)(plain)
    except RuntimeError:
        return numba.njit(**_ALL)(plain)
    finally:
        _config.CACHE_DIR = chosen
