"""Gradients of the analytic tier against central differences, where a resource binds."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import splitmodel as sm
from splitmodel.cluster.highest_rate import highest_rate
from splitmodel.specs.leaves import as_arrays

RESOURCES = ("hbm_bytes_per_s", "flop_per_s", "rate_rps", "power_cap")
BINDING = 0.1
"""An elasticity of at least this means that the resource binds."""

CLUSTERS = {
    "HA": sm.Cluster.splitwise("HA", prompt=10, token=30, power_cap=0.6),
    "HH": sm.Cluster.splitwise("HH", prompt=20, token=20, power_cap={"prompt": 0.8, "token": 0.7}),
    "baseline-A100": sm.Cluster.baseline("A100", machines=70, power_cap=0.6),
}


def scaled(cluster, load, factors):
    """Cluster and load with each of RESOURCES multiplied by a factor."""
    hbm, flop, rate, cap = factors
    pools = tuple(
        eqx.tree_at(
            lambda pool: (
                pool.machine.gpu.hbm_bytes_per_s,
                pool.machine.gpu.flop_per_s,
                pool.power_cap,
            ),
            pool,
            (
                pool.machine.gpu.hbm_bytes_per_s * hbm,
                pool.machine.gpu.flop_per_s * flop,
                pool.power_cap * cap,
            ),
        )
        for pool in cluster.pools
    )
    cluster = eqx.tree_at(lambda tree: (tree.prompt, tree.token, tree.mixed), cluster, pools)
    return cluster, load.with_rate(load.rate_rps * rate)


def log_outputs(values):
    return jnp.log(jnp.stack([values.ttft_s[1], values.tbt_s[1], values.usd_per_request]))


@jax.jit
def metrics_and_derivative(where, direction):
    """Of cluster and load, along a direction: code for all at once takes long to compile."""

    def of(cluster, load):
        return sm.metrics(cluster, load, "bloom-176b")

    return jax.jvp(of, where, direction)


def outputs(cluster, load, factors, along):
    """Logarithms of some outputs, and their derivatives along a direction of the factors."""
    pair = jax.jvp(lambda each: scaled(cluster, load, each), (factors,), (along,))
    values, tangents = metrics_and_derivative(*as_arrays(pair))
    return jax.jvp(log_outputs, (values,), (tangents,))


@jax.jit
def highest(cluster, load, factors, along):
    """The same of the highest rate."""

    def log_rate(factors):
        return jnp.log(highest_rate(*scaled(cluster, load, factors), "bloom-176b"))[None]

    return jax.jvp(log_rate, (factors,), (along,))


def elasticities(function, cluster, load):
    """Elasticities by differentiation and by central differences, [outputs, resources]."""
    ones, step = jnp.ones(len(RESOURCES)), 1e-5
    exact, central = [], []
    for along in jnp.eye(len(RESOURCES)):
        above, below, (_, derivative) = (
            function(cluster, load, ones + sign * step * along, along) for sign in (1.0, -1.0, 0.0)
        )
        exact.append(derivative)
        # Infinite latencies, beyond saturation, have no difference.
        with np.errstate(invalid="ignore"):
            central.append((np.asarray(above[0]) - np.asarray(below[0])) / (2.0 * step))
    return np.stack(exact, axis=1), np.stack(central, axis=1)


def assert_equal(exact, central):
    np.testing.assert_allclose(exact, central, rtol=1e-4, atol=1e-6)


@pytest.fixture(autouse=True)
def _float64_only():
    if not jax.config.read("jax_enable_x64"):
        pytest.skip("central differences need float64: run with --x64")


@pytest.mark.numerics
@pytest.mark.parametrize(
    ("name", "binding"),
    [
        ("HA", {("ttft", "flop_per_s"), ("ttft", "power_cap"), ("tbt", "hbm_bytes_per_s")}),
        ("HH", {("ttft", "flop_per_s"), ("ttft", "power_cap"), ("tbt", "rate_rps")}),
        ("baseline-A100", {("ttft", "flop_per_s"), ("tbt", "rate_rps"), ("tbt", "power_cap")}),
    ],
)
def test_latency_gradients(name, binding):
    load = sm.Workload.azure("conv", rate_rps=20.0)
    exact, central = elasticities(outputs, CLUSTERS[name], load)
    assert_equal(exact, central)
    for output, resource in binding:
        row = ("ttft", "tbt", "usd").index(output)
        assert abs(exact[row, RESOURCES.index(resource)]) >= BINDING, (output, resource)
    # Below saturation a request's cost depends on the rate alone; nothing else binds it.
    np.testing.assert_allclose(exact[2], [0.0, 0.0, -1.0, 0.0], atol=1e-9)


@pytest.mark.numerics
def test_cost_gradient_beyond_saturation():
    # Beyond saturation the throughput, and with it a request's cost, hangs on the hardware.
    load = sm.Workload.azure("conv", rate_rps=500.0)
    exact, central = elasticities(outputs, CLUSTERS["baseline-A100"], load)
    np.testing.assert_allclose(exact[2], central[2], rtol=1e-4, atol=1e-6)
    hbm, flop, rate, cap = exact[2]
    assert hbm <= -BINDING
    assert flop <= -BINDING
    assert cap <= -BINDING
    assert rate == 0.0


@pytest.mark.numerics
@pytest.mark.parametrize("name", CLUSTERS)
def test_highest_rate_gradients(name):
    load = sm.Workload.azure("conv", rate_rps=1.0)
    exact, central = elasticities(highest, CLUSTERS[name], load)
    assert_equal(exact, central)
    # The rate of the load plays no role; the memory-bound limit on TBT makes HBM bind.
    assert exact[0, RESOURCES.index("rate_rps")] == 0.0
    assert exact[0, RESOURCES.index("hbm_bytes_per_s")] >= BINDING


@pytest.mark.numerics
def test_reverse_mode_equals_forward_mode():
    load = sm.Workload.azure("conv", rate_rps=20.0)

    @jax.jit
    def gradient(factors, output):
        def of(factors):
            return log_outputs(sm.metrics(*scaled(CLUSTERS["HA"], load, factors), "bloom-176b"))

        return jax.vjp(of, factors)[1](output)[0]

    reverse = jnp.stack([gradient(jnp.ones(len(RESOURCES)), output) for output in jnp.eye(3)])
    forward, _ = elasticities(outputs, CLUSTERS["HA"], load)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-12)


@pytest.mark.numerics
@pytest.mark.parametrize("name", CLUSTERS)
def test_derivative_along_every_leaf_is_finite(name):
    where = as_arrays((CLUSTERS[name], sm.Workload.azure("conv", rate_rps=20.0)))
    _, tangents = metrics_and_derivative(where, jax.tree.map(jnp.ones_like, where))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tangents))
