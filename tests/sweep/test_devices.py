"""Several devices, processes and Dask workers give the result of one device, to the last bit."""

import socket

import pytest
from cheap_sweep import digest_of, start


@pytest.fixture(scope="module")
def alone() -> str:
    return digest_of(start("alone"))


def test_eight_devices(alone):
    flag = "--xla_force_host_platform_device_count=8"
    assert digest_of(start("alone", XLA_FLAGS=flag)) == alone


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
