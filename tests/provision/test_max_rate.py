"""The highest rate of one cluster."""

from typing import Any

import numpy as np
import pytest

import splitmodel as sm

CLUSTERS = {
    "baseline": sm.Cluster.baseline("A100", machines=70),
    "HA": sm.Cluster.splitwise("HA", prompt=25, token=26),
    "by name": sm.Cluster.splitwise(prompt=("DGX-H200", 4), token=("DGX-A100", 9)),
}


@pytest.mark.numerics
@pytest.mark.parametrize("name", CLUSTERS)
def test_limits_are_met_just_below_and_missed_just_above(name):
    cluster = CLUSTERS[name]
    rate_rps = sm.max_rate(cluster, model="bloom-176b", workload="conv")
    for share, met in ((0.02, 1), (0.5, 1), (0.999, 1), (1.001, 0)):
        load = sm.Workload.azure("conv", rate_rps=share * rate_rps)
        assert sm.evaluate(cluster, load, model="bloom-176b").slo_met == met


def test_a_workload_may_be_given_and_its_rate_plays_no_role():
    cluster = CLUSTERS["HA"]
    load = sm.Workload.azure("code", rate_rps=1e6)
    assert sm.max_rate(cluster, model="bloom-176b", workload=load) == sm.max_rate(
        cluster, model="bloom-176b", workload="code"
    )


def test_a_workload_may_be_a_file(tmp_path):
    (tmp_path / "requests.csv").write_text("prompt_tokens,output_tokens\n1000,100\n3000,20\n")
    highest_rps = [
        sm.max_rate(CLUSTERS["HA"], model="bloom-176b", workload=workload)
        for workload in (
            str(tmp_path / "requests.csv"),
            sm.Workload.from_arrays([1000, 3000], [100, 20], rate_rps=1.0),
        )
    ]
    assert highest_rps[0] == highest_rps[1] > 0.0


def test_limits_decide():
    cluster = CLUSTERS["HA"]
    saturation_rps = sm.evaluate(
        cluster, sm.Workload.azure("conv", rate_rps=1.0), model="bloom-176b"
    ).saturation_rps.item()
    free_rps = sm.max_rate(cluster, model="bloom-176b", slo=None)
    np.testing.assert_allclose(free_rps, saturation_rps, rtol=2e-3)
    never = sm.SLO(ttft_s={50: 1e-6})
    assert sm.max_rate(cluster, model="bloom-176b", slo=never) == 0.0


def test_by_simulation_the_means_reach_their_limits_there():
    cluster = sm.Cluster.splitwise("HA", prompt=3, token=3)
    asked: dict[str, Any] = {"model": "bloom-176b", "tier": "simulate"}
    asked |= {"seeds": 3, "seed": 5, "duration_s": 80.0}
    rate_rps = sm.max_rate(cluster, **asked)
    asked |= {"warm_up_s": 20.0, "cool_down_s": 8.0}

    def fullest(share: float) -> float:
        load = sm.Workload.azure("conv", rate_rps=share * rate_rps)
        out = sm.evaluate(cluster, load, **asked)
        limits = sm.SLO.splitwise()
        names = ("ttft_slowdown", "tbt_slowdown", "e2e_slowdown")
        return max((out[name].values / getattr(limits, name)).max() for name in names)

    assert fullest(0.98) < 1.0 < fullest(1.02)
    never = sm.SLO(ttft_s={50: 1e-6})
    assert sm.max_rate(cluster, slo=never, **asked) == 0.0


def test_by_simulation_an_even_trace_is_sped_up_beyond_a_random_one():
    arrival_s = 0.5 * np.arange(200)
    trace = sm.Workload.from_trace(arrival_s, np.full(200, 1000), np.full(200, 50))
    cluster = sm.Cluster.splitwise("HA", prompt=1, token=1)
    asked: dict[str, Any] = {"model": "bloom-176b", "workload": trace, "tier": "simulate"}
    evenly_rps = sm.max_rate(cluster, **asked, arrivals="replay")
    assert evenly_rps > 1.02 * sm.max_rate(cluster, **asked, duration_s=80.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workload": "convo"}, "workload: unknown name 'convo'; did you mean conv"),
        ({"model": "bloom"}, "unknown name 'bloom'"),
        ({"slo": "strict"}, "slo: unknown name"),
        ({"tier": "guess"}, "tier: unknown name"),
        ({"semantics": "splitwise"}, "semantics: unknown name 'splitwise'"),
        ({"seeds": 2}, 'seeds: only tier="simulate"'),
        ({"tier": "simulate", "sedes": 2}, "option: unknown name 'sedes'; did you mean seed"),
        ({"tier": "simulate", "seeds": 0}, "seeds: 0 is not a whole number"),
        ({"tier": "simulate", "duration_s": "long"}, "duration_s: 'long' is not a number"),
        ({"tier": "simulate", "arrivals": "replay"}, "arrivals: there are none to replay"),
    ],
)
def test_bad_input_is_named(options, message):
    asked: dict[str, Any] = {"model": "bloom-176b", **options}
    with pytest.raises(sm.InputError, match=message):
        sm.max_rate(CLUSTERS["HA"], **asked)
