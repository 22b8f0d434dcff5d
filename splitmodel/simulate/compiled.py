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


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled by numba on its first call; it runs without the interpreter's lock.

    What a checker of types has wrapped is unwrapped, since only plain functions compile.
    """
    return numba.njit(nogil=True, error_model="numpy")(unwrap(function))


def cached_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that is compiled once for all processes, with all kernels that it calls.

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
        return numba.njit(nogil=True, error_model="numpy", cache=True)(plain)
    except RuntimeError:
        return kernel(plain)
    finally:
        _config.CACHE_DIR = chosen
