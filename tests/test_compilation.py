"""Compiled programs are kept for the next process; the rest is measured by a benchmark."""

import os
import subprocess
import sys
from pathlib import Path

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
