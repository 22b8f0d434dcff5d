"""Transfers that share links, in a whole cluster of the analytic tier."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled_metrics import METRICS

import splitmodel as sm
from splitmodel.codes import Status

pytestmark = pytest.mark.numerics

MODEL = sm.transformer("bloom-176b")
KV_BYTES_PER_TOKEN = 4_014_080
CONV = sm.Workload.azure("conv", rate_rps=1.0)
FAST = 1e18
"""A network on which nothing takes any time [bytes/s]."""


def networked(out_bytes_per_s, in_bytes_per_s=None, machines=(3, 4), **policies):
    """A cluster on such a network."""
    prompt, token = machines
    cluster = sm.Cluster.splitwise("HH", prompt=prompt, token=token, **policies)
    return eqx.tree_at(
        lambda tree: [pool.machine.infiniband_bytes_per_s for pool in tree.pools[:2]],
        cluster,
        [out_bytes_per_s, in_bytes_per_s or out_bytes_per_s],
    )


def metrics(cluster, rate_rps, semantics="physical"):
    return METRICS[semantics](cluster, CONV.with_rate(rate_rps), MODEL)


def mean_bytes():
    sizes = CONV.source.value
    moving = sizes.output_tokens > 1
    mean_tokens = np.sum(sizes.weight * moving * sizes.prompt_tokens) / np.sum(sizes.weight)
    return mean_tokens * KV_BYTES_PER_TOKEN


@pytest.mark.parametrize(("ends", "links"), [((5e9, FAST), 3), ((FAST, 5e9), 4), ((5e9, 5e9), 3)])
def test_a_slow_network_saturates_first(ends, links):
    """At the bandwidth of all links of the slower side over the bytes of a request."""
    expected_rps = links * 5e9 / mean_bytes()
    cluster = networked(*ends, mixed_pool=False)
    assert metrics(cluster, 1.0).saturation_rps == pytest.approx(expected_rps, rel=0.01)
    assert metrics(cluster, 0.97 * expected_rps).status == Status.OK
    assert metrics(cluster, 1.03 * expected_rps).status == Status.UNSTABLE


@pytest.mark.parametrize("mixed_pool", [False, True])
def test_without_limit_to_bandwidth_links_add_nothing(mixed_pool):
    free = networked(FAST, mixed_pool=mixed_pool)
    none = networked(400e9, mixed_pool=mixed_pool, kv_transfer="none")
    for rate_rps in (1.0, 8.0, 12.0):
        for name, value in vars(metrics(free, rate_rps)).items():
            np.testing.assert_allclose(value, getattr(metrics(none, rate_rps), name), 1e-5, 1e-7)


def test_the_published_network_is_hardly_ever_waited_for():
    """What a request alone takes, Splitwise Figure 14, grows by 5% at most up to 90% of load."""
    cluster = networked(400e9, mixed_pool=False)
    alone_s = metrics(cluster, 1e-3).kv_transfer_s
    busy_s = metrics(cluster, 0.9 * metrics(cluster, 1.0).saturation_rps).kv_transfer_s
    assert alone_s <= busy_s <= 1.05 * alone_s


@pytest.mark.parametrize("kv_transfer", ["auto", "serialized", "layerwise"])
@pytest.mark.parametrize("mixed_pool", [False, True])
def test_delays_grow_with_the_load_and_stay_finite(kv_transfer, mixed_pool):
    cluster = networked(10e9, mixed_pool=mixed_pool, kv_transfer=kv_transfer)
    saturation_rps = float(metrics(cluster, 1.0).saturation_rps)
    out = [metrics(cluster, share * saturation_rps) for share in np.linspace(0.02, 0.999, 12)]
    transfer_s = np.array([float(each.kv_transfer_s) for each in out])
    assert np.isfinite(transfer_s).all()
    assert (np.diff(transfer_s[: 8 if mixed_pool else None]) > 0.0).all()
    # No longer than it takes to move all that a machine's memory holds, at either end.
    assert transfer_s.max() < 2.0 * 576e9 / 10e9
    assert all(np.isfinite(each.e2e_s).all() and np.isfinite(each.tbt_s).all() for each in out)


def test_delays_have_no_jump_along_machines():
    load = CONV.with_rate(4.0)

    def transfer_s(prompt, token):
        return METRICS["physical"](
            networked(10e9, machines=(prompt, token), mixed_pool=False), load, MODEL
        ).kv_transfer_s

    counts = np.linspace(2.5, 6.0, 36)
    for along in ([transfer_s(n, 4.0) for n in counts], [transfer_s(4.0, n) for n in counts]):
        steps = np.diff(np.log(np.array(along)))
        assert (steps < 1e-4).all()
        assert (np.abs(np.diff(steps)) < 0.1).all()


def test_the_simulator_s_network_is_not_shared():
    for rate_rps in (1.0, 8.0):
        slow = metrics(networked(1e9), rate_rps, "splitwise-sim")
        fast = metrics(networked(400e9), rate_rps, "splitwise-sim")
        for name, value in vars(slow).items():
            np.testing.assert_array_equal(value, getattr(fast, name))


def test_gradients_along_the_bandwidth():
    """A faster link is waited for less, and raises the saturation rate in proportion."""
    load = CONV.with_rate(4.5)

    def cluster(bandwidth):
        return networked(10e9 * bandwidth, mixed_pool=False)

    def logs(out):
        return jnp.log(jnp.stack([out.kv_transfer_s, out.saturation_rps]))

    one, step = jnp.ones(()), 1e-2
    slope = np.asarray(
        jax.jit(jax.jacfwd(lambda share: logs(sm.metrics(cluster(share), load, MODEL, slo=None))))(
            one
        )
    )
    above, below = (
        np.asarray(logs(METRICS["physical"](cluster(share), load, MODEL)))
        for share in (one + step, one - step)
    )
    np.testing.assert_allclose(slope, (above - below) / (2.0 * step), rtol=0.01)
    assert slope[0] < -1.0
    assert slope[1] == pytest.approx(1.0, rel=1e-4)
