"""Programs are kept for the next process, and parts apart; the rest is measured by a benchmark."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.compilation import compiled_apart

COMPILES = """
import jax
from splitmodel.compilation import keep_compiled
keep_compiled()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: 2.0 * x + 1.0)(3.0).block_until_ready()
"""


def kept(folder: Path, **environment: str) -> list[Path]:
    """Files that a process leaves under a folder, which is its user's home."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), str(folder))
    subprocess.run([sys.executable, "-c", COMPILES], env=own | homes | environment, check=True)
    return [path for path in folder.rglob("*") if path.is_file() and "jit" in path.name]


def test_the_next_process_finds_what_was_compiled(tmp_path):
    once = kept(tmp_path)
    assert once and all("splitmodel" in path.parts for path in once)
    assert sorted(kept(tmp_path)) == sorted(once)


def test_another_folder_may_be_named(tmp_path):
    folder = str(tmp_path / "mine")
    found = kept(tmp_path, JAX_COMPILATION_CACHE_DIR=folder)
    assert found and all("mine" in path.parts for path in found)


def square(pair):
    return {"square": jnp.where(pair["x"] > 0.0, pair["x"], 0.0) ** 2 * pair["y"]}


def in_cells(function):
    """Function of one number whose result enters an array."""
    return lambda x, y: function({"x": x, "y": y})["square"] * jnp.linspace(1.0, 2.0, 16)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="merged on other devices")
def test_a_part_compiled_apart_stays_one_call():
    def calls(function):
        program = jax.jit(jax.vmap(in_cells(function))).lower(jnp.ones(64), jnp.ones(64))
        text = program.compile().as_text()
        assert text
        return text.count(" call(")

    assert calls(square) == 0
    # What it calls itself is merged with it.
    assert calls(compiled_apart(square)) == 1


def test_a_part_compiled_apart_has_the_same_values_and_derivatives():
    given = jnp.linspace(-1.0, 2.0, 7), jnp.linspace(3.0, 1.0, 7)
    for change in (lambda f: f, jax.jacfwd, jax.jacrev):
        expected, found = (
            jax.jit(jax.vmap(change(in_cells(function))))(*given)
            for function in (square, compiled_apart(square))
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)
