"""Strict numerics and shape checks for every test, and the data that some of them need."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

# Tests compile much and run little: a fifth of the time to compile. Read when jax starts.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
)

# What takes long to compile is compiled once for all workers, but never kept for another run: the
# process that starts the workers hands the folder down to them.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", f"{tempfile.gettempdir()}/splitmodel-tests-{os.getpid()}"
)

import jax
import pytest
from jaxtyping import install_import_hook

# Shapes and types of every annotated call are checked, in tests only; the hook must be in place
# before anything imports the package.
install_import_hook("splitmodel", "type_checker.checked")

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Tracing makes many objects that stay: to look through them seldom saves a twentieth of the time.
gc.set_threshold(100_000, 20, 20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--x64", action="store_true", help="run in float64 instead of float32")


def pytest_configure(config: pytest.Config) -> None:
    jax.config.update("jax_enable_x64", config.getoption("--x64"))

    from splitmodel.sweep import lattice

    # Most spaces of tests are small, and code that compiles fast takes its time over padding.
    lattice.ROWS_ON_CPU = 256


def pytest_unconfigure() -> None:
    shutil.rmtree(f"{tempfile.gettempdir()}/splitmodel-tests-{os.getpid()}", ignore_errors=True)


def _folder(variable: str) -> Path:
    """Folder that an environment variable names; skips the test where it is unset or empty."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def printed() -> Callable[..., str]:
    """Function of a program and its environment: what it prints in a Python process of its own."""

    def found(program: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    return found


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The published profile and the Azure traces."""
    return _folder("SPLITMODEL_DATA")


@pytest.fixture(scope="session")
def reference_runs_dir() -> Path:
    """Runs of the authors' simulator."""
    return _folder("SPLITMODEL_REFERENCE_RUNS")
