"""Seconds of an operation, by hand on a GPU of round numbers, and the smooth maximum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.parameters.efficiency import GpuEfficiency
from splitmodel.roofline.batch import prefill_batch
from splitmodel.roofline.bound import gpu_seconds, operation_seconds, p_norm
from splitmodel.roofline.operations import Operation, operations
from splitmodel.specs.catalogue import machine, transformer
from splitmodel.specs.hardware import Gpu
from splitmodel.specs.host_only import HostOnly
from splitmodel.specs.leaves import as_arrays

pytestmark = pytest.mark.numerics

GPU = as_arrays(
    Gpu(
        flop_per_s=100e12,
        hbm_bytes=80e9,
        hbm_bytes_per_s=1e12,
        nvlink_bytes_per_s=100e9,
        tdp_w=400.0,
        profile_row=-1.0,
        efficiency=GpuEfficiency(
            gemm_compute=0.5,
            hbm=0.5,
            attention_compute=0.25,
            attention_hbm=0.8,
            collective_latency_s=10e-6,
            collective_bandwidth=0.5,
            collective_slowdown=3.0,
            collective_step_bytes=50e6,
            collective_burst_bytes=20e6,
            layer_latency_s=0.0,
            gemm_norm=2.0,
            prefill_misfit=1.0,
            decode_misfit=1.0,
        ),
        power=machine("DGX-A100").gpu.power,
        label=HostOnly("round numbers"),
        like=HostOnly("A100-80GB"),
    )
)


def operation(kind, **counts):
    zero = dict.fromkeys(("flop", "hbm_bytes", "messages", "message_bytes", "rows"), 0.0)
    return as_arrays(Operation(kind=kind, **{**zero, **counts}))


@jax.jit
def total_s(op, gpu=GPU, tensor_parallel=8.0, clock=1.0):
    return operation_seconds(op, gpu, jnp.asarray(tensor_parallel), jnp.asarray(clock)).total_s


GEMM = {"kind": "gemm", "flop": 2e12, "hbm_bytes": 10e9, "rows": 100.0}

BY_HAND = {
    # 2e12/50e12 s and 1e10/5e11 s, joined by a 2-norm.
    "gemm": (GEMM, np.hypot(0.04, 0.02)),
    "gemm of 32 bit": (GEMM | {"element_bytes": 4.0}, np.hypot(0.08, 0.02)),
    "gemm of 8-bit weights": (GEMM | {"element_bytes": 1.0}, np.hypot(0.04, 0.02)),
    "gemm of nothing": (GEMM | {"flop": 0.0, "rows": 0.0}, 0.0),
    "prefill attention": ({"kind": "prefill_attention", "flop": 1e12}, 0.04),
    "decode attention": ({"kind": "decode_attention", "hbm_bytes": 8e9}, 0.01),
    "elementwise": ({"kind": "elementwise", "hbm_bytes": 5e9}, 0.01),
    # Three latencies and 2·7/8 of the payload at 50 GB/s.
    "all-reduce": (
        {"kind": "all_reduce", "messages": 2.0, "message_bytes": 40e6},
        2 * (30e-6 + 1.75 * 40e6 / 50e9),
    ),
    # Of more than 50 MB, all beyond 20 MB takes another 3 inverse bandwidths.
    "large all-reduce": (
        {"kind": "all_reduce", "messages": 2.0, "message_bytes": 60e6},
        2 * (30e-6 + 1.75 * (2 * 60e6 + 3 * 40e6) / 100e9),
    ),
    "send": ({"kind": "send", "messages": 3.0, "message_bytes": 60e6}, 3 * (10e-6 + 60e6 / 50e9)),
}


@pytest.mark.parametrize(("counts", "seconds"), BY_HAND.values(), ids=BY_HAND)
def test_operations_by_hand(counts, seconds):
    assert float(total_s(operation(**counts))) == pytest.approx(seconds, rel=1e-5)


def test_a_slower_clock_slows_computing_alone():
    slow = {
        kind: float(total_s(operation(**counts), clock=0.5)) / seconds
        for kind, (counts, seconds) in BY_HAND.items()
        if seconds > 0.0
    }
    assert slow.pop("prefill attention") == pytest.approx(2.0, rel=1e-5)
    assert slow.pop("gemm") == pytest.approx(np.hypot(0.08, 0.02) / np.hypot(0.04, 0.02), rel=1e-5)
    rest = {kind: ratio for kind, ratio in slow.items() if not kind.startswith("gemm")}
    assert len(rest) == 5
    np.testing.assert_allclose(list(rest.values()), 1.0, rtol=1e-5)


def test_an_iteration_is_the_sum_of_its_operations():
    model, gpu = as_arrays((transformer("bloom-176b"), machine("DGX-A100").gpu))
    tp, clock = jnp.asarray(8.0), jnp.asarray(0.9)

    @jax.jit
    def together_and_apart(tokens):
        listed = operations(prefill_batch(tokens), model, tp, jnp.asarray(2.0))
        apart = [operation_seconds(op, gpu, tp, clock) for op in listed]
        return gpu_seconds(listed, gpu, tp, clock), apart

    together, apart = together_and_apart(jnp.asarray(1000.0))
    for field in ("total_s", "compute_s", "hbm_s", "collective_s"):
        summed = float(sum(np.sum(getattr(each, field)) for each in apart))
        assert float(getattr(together, field)) == pytest.approx(summed, rel=1e-5)
        assert summed > 0.0


def test_a_gemm_without_rows_has_a_finite_gradient():
    nothing = operation(**GEMM | {"flop": 0.0, "rows": 0.0})
    gradient = jax.grad(total_s, argnums=(0, 1))(nothing, GPU)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


PAIRS = [(1.0, 1.0), (3e-3, 2e-3), (2e-3, 3e-3), (1.0, 1e-4), (5e-6, 4e-6), (40.0, 39.0)]


@pytest.mark.parametrize("exponent", [6.3, 24.0])
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_p_norm_is_a_norm(a, b, exponent):
    smooth = float(p_norm(jnp.asarray(a), jnp.asarray(b), jnp.asarray(exponent)))
    assert smooth == pytest.approx(np.linalg.norm([a, b], exponent), rel=1e-5)
    slack = 1e-6  # of float32
    assert max(a, b) * (1 - slack) <= smooth <= max(a, b) * 2 ** (1 / exponent) * (1 + slack)


@pytest.mark.parametrize(("b", "exponent"), [(1e-2, 6.3), (0.5, 6.3), (0.5, 24.0), (0.9, 24.0)])
def test_the_roof_that_does_not_bind_keeps_a_gradient(b, exponent):
    to_b = jax.grad(p_norm, argnums=1)(jnp.asarray(1.0), jnp.asarray(b), jnp.asarray(exponent))
    assert float(to_b) > 0.0
    norm = np.linalg.norm([1.0, b], exponent)
    assert float(to_b) == pytest.approx((b / norm) ** (exponent - 1.0), rel=1e-4)
