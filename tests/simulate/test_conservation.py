"""What must hold whatever the policies: nothing is lost, and no server is over its memory."""

import numpy as np
import pytest
from linear_timing import Linear

from splitmodel.specs.cluster import Cluster
from splitmodel.specs.workload import Workload

SECOND = Linear(per_iteration_s=1.0)
"""Every iteration takes a second, so that times count iterations."""
BUSY = Linear(per_prompt_token_s=2e-4, per_iteration_s=0.03)

CLUSTERS = {
    "mixed": Cluster.baseline("A100", machines=3),
    "continuous": Cluster.baseline("H100", machines=3, batching="continuous"),
    "request": Cluster.baseline("H100", machines=3, batching="request", max_batch_size=20),
    "small batches": Cluster.baseline("A100", machines=2, max_batch_tokens=300, max_batch_size=9),
    "pools": Cluster.splitwise("HA", prompt=2, token=1),
    "pools apart": Cluster.splitwise("HA", prompt=2, token=2, mixed_pool=False),
    "serialized": Cluster.splitwise("AA", prompt=1, token=3, kv_transfer="serialized"),
    "two on a machine": Cluster.splitwise("HH", prompt=1, token=1, tensor_parallel=4),
    "pipeline": Cluster.baseline("A100", machines=2, tensor_parallel=4, pipeline_parallel=2),
}


@pytest.mark.parametrize("semantics", ["physical", "splitwise-sim"])
@pytest.mark.parametrize("routing", ["tokens", "memory", "central"])
@pytest.mark.parametrize("name", CLUSTERS)
def test_every_request_completes_once(setting, outcome, random_load, name, routing, semantics):
    load = Workload.from_trace(*random_load(seed=1))
    run = outcome(setting(CLUSTERS[name], BUSY, semantics), load, routing=routing, record=True)
    requests, servers = run.requests, run.servers
    times = ["arrival_s", "prefill_start_s", "prefill_end_s", "decode_start_s", "end_s"]
    several = requests["output_tokens"] > 1
    passed = np.stack([requests[each][several] for each in times])
    assert np.isfinite(passed).all()
    assert (np.diff(passed, axis=0) >= 0.0).all()
    np.testing.assert_array_equal(requests["end_s"][~several], requests["prefill_end_s"][~several])
    # All that was booked at a server has been given back.
    for booked in ("used_bytes", "reserved_bytes", "pending_tokens", "waiting", "decodes"):
        np.testing.assert_array_equal(servers[booked], 0)
    assert (servers["most_used_bytes"] <= servers["capacity_bytes"]).all()
    assert (servers["pool"] == servers["home"]).all()
    # A server runs one iteration at a time.
    log = np.array(run.iterations)
    for m in range(len(servers)):
        own = log[log[:, 0] == m]
        assert (own[1:, 1] >= own[:-1, 2]).all()


@pytest.mark.parametrize("name", [name for name in CLUSTERS if name != "request"])
def test_tokens_add_up(setting, outcome, random_load, name):
    arrival_s, prompts, outputs = random_load(seed=2, rate_rps=0.5)
    load = Workload.from_trace(arrival_s, prompts, outputs)
    run = outcome(setting(CLUSTERS[name], SECOND), load, record=True)
    log = np.array(run.iterations)
    steps = log[:, 2] - log[:, 1]
    assert (log[:, 4] * steps).sum() == pytest.approx((outputs - 1).sum())
    with_prompts = log[:, 3] > 0
    computed = (log[:, 5] - log[:, 4])[with_prompts]
    assert computed.sum() == pytest.approx(prompts.sum())
    limit = float(CLUSTERS[name].max_batch_tokens)
    assert ((log[:, 5] <= limit) | (log[:, 3] == 1)).all()
    assert (log[:, 3] + log[:, 4] <= float(CLUSTERS[name].max_batch_size)).all()


def test_memory_binds(setting, outcome, random_load):
    """Where the KV cache of few requests fits, servers fill up and the rest waits for its turn."""
    arrival_s, prompts, outputs = random_load(seed=3, count=120, rate_rps=3.0)
    load = Workload.from_trace(arrival_s, 20 * prompts, outputs)
    for cluster in (
        Cluster.baseline("A100", machines=1),
        Cluster.splitwise("AA", prompt=1, token=1, mixed_pool=False),
    ):
        run = outcome(setting(cluster, Linear(per_iteration_s=0.5)), load)
        full = run.servers["most_used_bytes"] / run.servers["capacity_bytes"]
        assert 0.8 < full.max() <= 1.0
        assert np.isfinite(run.requests["end_s"]).all()
