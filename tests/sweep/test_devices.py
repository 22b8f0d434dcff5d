"""Several devices, processes and Dask workers give the result of one device, to the last bit."""

import os
import socket

import pytest
from cheap_sweep import digest_of, start


@pytest.fixture(scope="module")
def alone() -> str:
    return digest_of(start("alone"))


EIGHT = "--xla_force_host_platform_device_count=8"


def test_eight_devices(alone):
    assert digest_of(start("devices", XLA_FLAGS=EIGHT)) == alone


MODEL = """
import hashlib
import jax
import numpy as np
import splitmodel as sm
from splitmodel.sweep.crew import Crew
from splitmodel.sweep.parts import to_bytes

crews, run = [], Crew.run

def told(crew, start, stop):
    crews.append(crew)
    return run(crew, start, stop)

Crew.run = told
space = sm.DesignSpace(design=["HH"], prompt=range(5, 15), token=[9], rate_rps=[20.0, 60.0])
load = sm.Workload.azure("conv", rate_rps=1.0)
results = sm.sweep(space, load, model="bloom-176b", variables=["tbt_s", "e2e_s"])
assert np.isfinite(results.e2e_s).any()
print(jax.local_device_count())
for engine in crews[0].engines[0], crews[0].engines[-1]:
    with jax.enable_x64(jax.config.read("jax_enable_x64")):
        blocks = np.array([0])
        engine.compile(blocks)
        print(hashlib.sha256(to_bytes(engine.run(blocks))).hexdigest())
"""


def test_the_model_on_eight_devices(printed, tmp_path):
    """Of which the first and the last give what a single one does."""
    kept, quick = str(tmp_path), os.environ["XLA_FLAGS"]
    found = [
        printed(MODEL, JAX_COMPILATION_CACHE_DIR=kept, XLA_FLAGS=flags).split()
        for flags in (quick, f"{quick} {EIGHT}")
    ]
    assert [count for count, *_ in found] == ["1", "8"]
    assert len({each for _, *digests in found for each in digests}) == 1


def test_two_processes_share_a_sweep_and_its_store(alone, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = tmp_path / "store"
    pair = [start("processes", port, index, store) for index in (0, 1)]
    assert [digest_of(each) for each in pair] == [alone, alone]
    # What two processes have kept, one can tell again.
    assert digest_of(start("alone", store)) == alone


def test_dask_workers_may_die(alone):
    assert digest_of(start("dask")) == alone
