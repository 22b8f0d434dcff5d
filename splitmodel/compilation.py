"""Compilation: quick where code runs too seldom to repay every optimisation, and kept on disk."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, update_wrapper, wraps
from pathlib import Path
from threading import Lock
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import pooch
from jax.experimental.xla_metadata import set_xla_metadata

P = ParamSpec("P")
R = TypeVar("R")


_LEAST_KEPT_S = 0.01
"""Compile time from which on a program is kept on disk [s]."""


class _Quick:
    """See `quick_jit`."""

    def __init__(self, function: Callable[..., Any], level: int):
        update_wrapper(self, function)
        self._function, self._level = function, level
        self._jitted = None
        self._first = Lock()

    @property
    def jitted(self) -> Any:
        """The function as `jax.jit` gives it, made when it is first needed."""
        with self._first:  # else each of several threads that come first would make one of its own
            if self._jitted is None:
                options = _options(self._level)
                self._jitted = jax.jit(self._function, compiler_options=options)
        return self._jitted

    def __call__(self, *args: Any) -> Any:
        return self.jitted(*args)


def quick_jit(function: Callable[..., Any], level: int = 0) -> _Quick:
    """`jax.jit` for calls from the host that compiles faster, for code that runs slower, on CPU.

    Measured on the analytic tier with jax 0.10, against plain `jax.jit`: at level 0 it compiles in
    a fifth of the time and runs six times slower, for one configuration; at level 1 in 40% of the
    time and runs a fifth slower, for up to half a million.

    Args:
        function: of positional arguments.
        level: of optimisation by LLVM, 0 or 1.
    """
    return _Quick(function, level)


@cache
def _options(level: int) -> dict[str, Any] | None:
    """Options for XLA, where this version has them."""
    if jax.default_backend() != "cpu":
        return None
    return known_options(xla_backend_optimization_level=level, xla_cpu_use_fusion_emitters=False)


@cache
def known_options(**options: Any) -> dict[str, Any] | None:
    """These compiler options, or None where this version of XLA lacks one of them."""
    try:
        jax.jit(lambda: 0.0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return None
    return options


def compiled_apart(function: Callable[P, R]) -> Callable[P, R]:
    """The function as one that XLA does not merge with its callers, on CPU.

    XLA (jax 0.10) otherwise computes a result anew wherever it enters a larger array: hundreds of
    operations for each of a cluster's cells of requests. An optimisation barrier is gone by then, a
    call is not. Transformations of JAX go through as through `jax.jit`.

    Args:
        function: of pytrees of arrays.
    """

    @jax.jit
    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        # The calls inside are merged, unless they say otherwise themselves.
        with set_xla_metadata(inlineable="true"):
            return function(*args, **kwargs)

    @wraps(function)
    def outer(*args: P.args, **kwargs: P.kwargs) -> R:
        merged = "false" if jax.default_backend() == "cpu" else "true"
        with set_xla_metadata(inlineable=merged):
            return inner(*args, **kwargs)

    return outer


def total(cells: jax.Array) -> jax.Array:
    """Sum over the last axis, on CPU as a product of matrices.

    XLA (jax 0.10) otherwise compiles a sum of computed values into one loop there, not vectorised.
    Accelerators may round the factors of a product.
    """
    if jax.default_backend() != "cpu":
        return jnp.sum(cells, axis=-1)
    return jnp.dot(cells, jnp.ones_like(cells, shape=cells.shape[-1:]))


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Python's garbage collector looks through the objects that stay less often.

    Tracing makes many of them: to go through them all again and again takes a fifth of its time.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def keep_compiled() -> None:
    """Keep in the user's cache what takes long to compile, unless JAX already has a folder for it.

    JAX's own variables decide: JAX_COMPILATION_CACHE_DIR names another folder, and
    JAX_ENABLE_COMPILATION_CACHE=false keeps nothing. JAX of itself keeps what takes a
    second or more; the small programs around a large one take as long together.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = Path(pooch.os_cache("splitmodel")) / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_KEPT_S)
