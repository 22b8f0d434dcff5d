"""One server and several against queues that have an exact answer."""

import math

import numpy as np
import pytest
from linear_timing import Linear
from scipy.stats import sem, t

from splitmodel.simulate.options import Simulation
from splitmodel.simulate.tier import simulated
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.workload import Workload

MEAN_TOKENS = 1000.0
TIMING = Linear(per_prompt_token_s=1.0 / MEAN_TOKENS)
"""One second of service on average, all of it prefill: one output token."""


def load(exponential: bool, rate_rps: float) -> Workload:
    ranks = (np.arange(4000) + 0.5) / 4000
    tokens = -MEAN_TOKENS * np.log(1.0 - ranks) if exponential else np.full(1, MEAN_TOKENS)
    tokens = np.maximum(np.rint(tokens), 1.0)
    return Workload.from_arrays(tokens, np.ones_like(tokens), rate_rps)


def servers(count: int) -> Cluster:
    """Servers that work on one request at a time."""
    return Cluster.baseline("A100", machines=count, batching="request", max_batch_size=1)


def waits_within_interval(setting, load, expected_s):
    """The exact mean wait lies in the 99% interval of 12 seeds, which is narrow."""
    options = {"duration_s": 20_000.0, "warm_up_s": 200.0, "routing": "central"}
    parts_s = [
        simulated(setting, load, Simulation(seed=seed, **options))["ttft_parts_s"]
        for seed in range(12)
    ]
    waits_s, services_s = np.transpose(parts_s)
    low_s, high_s = t.interval(0.99, 11, waits_s.mean(), sem(waits_s))
    assert low_s < expected_s < high_s
    assert high_s - low_s < 0.15 * expected_s
    assert services_s == pytest.approx(np.ones(12), rel=0.05)


OPTIONS = Simulation(seeds=12, seed=5, duration_s=20_000.0, warm_up_s=200.0, routing="central")


def test_m_m_1(setting):
    """Times in the system are exponential with rate μ − λ."""
    out = simulated(setting(servers(1), TIMING), load(True, 0.6), OPTIONS, interval=0.99)
    expected = -np.log(1.0 - np.array([0.5, 0.9, 0.99])) / (1.0 - 0.6)
    assert ((out["ttft_s_low"] < expected) & (expected < out["ttft_s_high"])).all()
    assert (out["ttft_s_high"] - out["ttft_s_low"] < 0.2 * expected).all()
    np.testing.assert_allclose(out["utilisation"], [0.0, 0.0, 0.6], rtol=0.02)


def test_m_d_1(setting):
    """Mean wait ρ/(2μ(1 − ρ)), by Pollaczek and Khinchine."""
    waits_within_interval(setting(servers(1), TIMING), load(False, 0.6), 0.6 / (2.0 * 0.4))


def test_m_m_c(setting):
    """Mean wait C(c, λ/μ)/(cμ − λ), by Erlang."""
    count, rate_rps = 4, 3.2
    terms = [rate_rps**k / math.factorial(k) for k in range(count)]
    last = rate_rps**count / math.factorial(count) * count / (count - rate_rps)
    expected_s = last / (sum(terms) + last) / (count - rate_rps)
    waits_within_interval(setting(servers(count), TIMING), load(True, rate_rps), expected_s)


def test_shortest_queues_wait_longer_than_one_queue(setting):
    """A choice by pending tokens knows the work ahead, but not what is left of the first."""
    waits = [
        simulated(
            setting(servers(4), TIMING),
            load(True, 3.2),
            Simulation(duration_s=20_000.0, routing=routing),
        )["ttft_parts_s"][0]
        for routing in ("central", "tokens")
    ]
    assert 0.8 * waits[0] < waits[1] < 2.0 * waits[0]


def test_little_s_law(setting, outcome):
    """Requests in the system, by what the server's memory holds over time, are λ times stay."""
    rate_rps = 0.8
    timing = Linear(per_prompt_token_s=2e-4, per_iteration_s=0.01)
    tokens = np.full(1, 100.0)
    load = Workload.from_arrays(np.full(1, 500.0), tokens, rate_rps)
    run = outcome(
        setting(Cluster.baseline("A100", machines=1), timing),
        load,
        duration_s=5_000.0,
        record=True,
    )
    log = np.array(run.iterations)
    requests = run.requests
    span_s = requests["end_s"].max() - requests["arrival_s"][0]
    # Prompts and decodes in iterations, and requests between them that wait.
    served_s = ((log[:, 3] + log[:, 4]) * (log[:, 2] - log[:, 1])).sum()
    waited_s = (requests["prefill_start_s"] - requests["arrival_s"]).sum()
    waited_s += (requests["decode_start_s"] - requests["prefill_end_s"]).sum()
    inside = (served_s + waited_s) / span_s
    stay_s = (requests["end_s"] - requests["arrival_s"]).mean()
    assert inside == pytest.approx(len(requests) / span_s * stay_s, rel=0.01)


def test_rare_requests_take_the_times_of_a_request_alone(setting, outcome):
    timing = Linear(per_prompt_token_s=1e-3, per_iteration_s=0.02)
    load = Workload.from_trace([0.0, 1e3, 2e3], [100.0, 2000.0, 7000.0], [1.0, 11.0, 101.0])
    for cluster in (
        Cluster.baseline("A100", machines=2),
        Cluster.baseline("A100", machines=2, batching="continuous"),
        Cluster.baseline("A100", machines=2, batching="request"),
        Cluster.splitwise("HA", prompt=1, token=1, kv_transfer="none"),
        Cluster.splitwise("HA", prompt=1, token=1, kv_transfer="none", mixed_pool=False),
    ):
        requests = outcome(setting(cluster, timing), load).requests
        ttft_s = requests["prefill_end_s"] - requests["arrival_s"]
        np.testing.assert_allclose(ttft_s, 0.02 + np.array([0.1, 2.0, 7.0]), rtol=1e-6)
        decode_s = requests["end_s"] - requests["prefill_end_s"]
        np.testing.assert_allclose(decode_s, 0.02 * np.array([0.0, 10.0, 100.0]), rtol=1e-6)
