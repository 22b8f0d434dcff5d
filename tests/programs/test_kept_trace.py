"""A traced program is read by the next process that asks for it, and never another one."""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from splitmodel.programs.kept_trace import kept

GIVEN = (np.float32(3.0), np.float32(2.0))


@pytest.fixture
def folder(tmp_path):
    """Where JAX keeps what it compiles, for one test."""
    before = str(jax.config.values["jax_compilation_cache_dir"])
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)


def files(folder):
    return [path for path in folder.rglob("splitmodel-traces/*") if path.is_file()]


def called(function: Any = jnp.subtract):
    """As in a process that has not traced it."""
    return float(jax.jit(lambda *given: kept(function)(*given))(*GIVEN))


def test_what_lies_there_is_what_runs(folder):
    assert called() == 1.0
    (path,) = files(folder)
    shapes = [jax.ShapeDtypeStruct((), np.float32)] * 2
    other = bytes(export.export(jax.jit(jnp.add))(*shapes).serialize())
    path.write_bytes(hashlib.sha256(other).digest() + other)
    assert called() == 5.0
    assert called(jnp.multiply) == 6.0  # which lies elsewhere
    assert len(files(folder)) == 2


@pytest.mark.parametrize("damaged", [lambda whole: whole[:-1], lambda whole: b"", bytes.upper])
def test_a_damaged_file_is_written_anew(folder, damaged):
    called()
    (path,) = files(folder)
    whole = path.read_bytes()
    path.write_bytes(damaged(whole))
    assert called() == 1.0
    assert path.read_bytes() == whole


def test_without_a_folder_nothing_is_kept(folder):
    jax.config.update("jax_compilation_cache_dir", None)
    assert called() == 1.0
    jax.config.update("jax_compilation_cache_dir", str(folder / "a file"))
    (folder / "a file").touch()
    assert called() == 1.0


def test_code_of_others_is_traced_each_time(folder):
    assert called(lambda *given: given[0] - given[1]) == 1.0
    assert not files(folder)


ANSWERS = """
import splitmodel as sm
load = sm.Workload.azure("conv", rate_rps=20.0)
cluster = sm.Cluster.splitwise("HHcap", prompt=18, token=31)
print(sm.evaluate(cluster, load, model="bloom-176b").e2e_s.values)
"""


def test_the_next_process_answers_the_same_from_what_is_kept(printed, tmp_path):
    def answers(**environment):
        """What a process prints, and the traces that there are then."""
        told = printed(ANSWERS, JAX_COMPILATION_CACHE_DIR=str(tmp_path), **environment)
        return told, {path: path.stat().st_mtime_ns for path in files(tmp_path)}

    first = answers()
    assert len(first[1]) == 1
    assert answers() == first
    assert answers(JAX_ENABLE_COMPILATION_CACHE="false") == first
