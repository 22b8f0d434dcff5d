"""Several devices, processes and Dask workers give the result of one device, to the last bit."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from cheap_sweep import digest_of, start


@pytest.fixture(scope="module")
def alone() -> str:
    return digest_of(start("alone"))


EIGHT = "--xla_force_host_platform_device_count=8"


def test_eight_devices(alone):
    assert digest_of(start("alone", XLA_FLAGS=EIGHT)) == alone


MODEL = """
import jax
import splitmodel as sm
space = sm.DesignSpace(design=["HH"], prompt=range(5, 15), token=[9], rate_rps=[20.0, 60.0])
load = sm.Workload.azure("conv", rate_rps=1.0)
results = sm.sweep(space, load, model="bloom-176b", variables=["e2e_s"])
print(jax.local_device_count(), *results.e2e_s.values.ravel())
"""


def test_the_model_on_eight_devices(tmp_path):
    """Of which none takes the program that one device keeps; XLA rounds otherwise for several."""
    kept = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    quick = os.environ["XLA_FLAGS"]
    found = []
    for flags in (quick, f"{quick} {EIGHT}"):
        done = subprocess.run(
            [sys.executable, "-c", MODEL],
            env=os.environ | kept | {"XLA_FLAGS": flags},
            check=True,
            capture_output=True,
            text=True,
        )
        found.append([float(word) for word in done.stdout.split()])
    assert [values[0] for values in found] == [1.0, 8.0]
    assert np.isfinite(found[0]).any()
    np.testing.assert_allclose(found[1][1:], found[0][1:], rtol=1e-3)


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
