"""The pure core: one compilation, limits of the approximation, statuses, orderings."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled_metrics import METRICS, TRACES

import splitmodel as sm
from splitmodel.codes import Status

DESIGNS = {
    "AA": sm.Cluster.splitwise("AA", prompt=45, token=25),
    "HH": sm.Cluster.splitwise("HH", prompt=25, token=15),
    "HA": sm.Cluster.splitwise("HA", prompt=25, token=26),
    "HHcap": sm.Cluster.splitwise("HHcap", prompt=25, token=21),
    "baseline-A100": sm.Cluster.baseline("A100", machines=70),
    "baseline-H100": sm.Cluster.baseline("H100", machines=40),
}
LATENCIES = ("ttft_s", "tbt_s", "e2e_s", "ttft_slowdown", "tbt_slowdown", "e2e_slowdown")


def conv(rate_rps):
    return sm.Workload.azure("conv", rate_rps=rate_rps)


def arrays(values):
    return {name: np.asarray(leaf) for name, leaf in vars(values).items()}


def test_one_compilation_serves_designs_machines_models_and_workloads():
    counted = METRICS["physical"]
    counted(DESIGNS["AA"], conv(3.0), sm.transformer("bloom-176b"))
    before = TRACES["physical"]
    for cluster in [
        *DESIGNS.values(),
        sm.Cluster.splitwise(prompt=("DGX-H200", 3), token=("DGX-A100-40GB", 9), mixed_pool=False),
        sm.Cluster.baseline("H100", machines=4, batching="continuous", tensor_parallel=4),
    ]:
        for model in ("bloom-176b", "llama2-70b", "mistral-7b"):
            for service in ("conv", "code"):
                load = sm.Workload.azure(service, rate_rps=3.0)
                counted(cluster, load, sm.transformer(model))
    assert TRACES["physical"] == before
    # Only batching by request is compiled apart.
    by_request = sm.Cluster.baseline("H100", machines=4, batching="request")
    counted(by_request, load, sm.transformer(model))
    assert TRACES["physical"] == before + 1


@pytest.mark.numerics
@pytest.mark.parametrize("semantics", METRICS)
@pytest.mark.parametrize("name", DESIGNS)
def test_outputs_are_ordered_and_finite(name, semantics):
    model = sm.transformer("bloom-176b")
    for rate_rps in (0.01, 1.0, 10.0, 20.0):
        values = METRICS[semantics](DESIGNS[name], conv(rate_rps), model)
        assert values.status == Status.OK
        for key, value in arrays(values).items():
            assert np.isfinite(value).all(), key
            if key in LATENCIES:
                assert (np.diff(value) >= 0.0).all(), key
        assert values.throughput_rps == pytest.approx(rate_rps)
        assert values.goodput_rps <= values.throughput_rps
        assert values.power_mean_w <= values.power_provisioned_w * 1.03


@pytest.mark.numerics
@pytest.mark.parametrize("name", DESIGNS)
def test_an_idle_cluster_takes_the_time_of_a_lone_request(name):
    cluster, load = DESIGNS[name], conv(1e-3)
    values = METRICS["physical"](cluster, load, sm.transformer("bloom-176b"))
    serving = cluster.prompt if cluster.splits_phases else cluster.mixed
    # With nobody else around the wait and all percentiles are those of the request sizes.
    alone_s = sm.iteration_time(
        "prefill",
        model="bloom-176b",
        machine=serving.machine,
        power_cap=serving.power_cap,
        prompt_tokens=np.asarray(load.percentile_tokens("prompt", np.array([50.0, 90.0, 99.0]))),
    )
    np.testing.assert_allclose(values.ttft_s, alone_s, rtol=5e-3)
    assert values.ttft_parts_s[0] < 1e-4
    if name.endswith("A100") or name == "AA":
        np.testing.assert_allclose(values.ttft_slowdown, 1.0, rtol=1e-2)


def test_a_lone_step_of_a_roofline_is_that_of_one_request():
    """Only the authors' simulator's curve is read at x = prompt tokens."""
    values = sm.evaluate(
        DESIGNS["AA"],
        conv(1e-3),
        model="bloom-176b",
        semantics="splitwise-sim",
        timing="roofline",
    )
    # TBT is there over all tokens, the first of which is no step.
    np.testing.assert_allclose(values["tbt_slowdown"], 1.0, rtol=0.1)


@pytest.mark.numerics
def test_latencies_grow_with_the_rate():
    model = sm.transformer("bloom-176b")
    for cluster in DESIGNS.values():
        p90 = [
            np.asarray(METRICS["splitwise-sim"](cluster, conv(rate), model).e2e_s[1])
            for rate in (1.0, 20.0, 40.0)
        ]
        assert (np.diff(p90) >= -1e-3).all()


@pytest.mark.numerics
@pytest.mark.parametrize(
    ("name", "prompt_tokens", "output_tokens", "machines", "low", "high"),
    [("llama2-70b", 5681, 1, 188, 0.9, 0.995), ("qwen2.5-72b", 32, 138, 213, 0.3, 0.35)],
    ids=["nothing decodes", "prompts let decodes end"],
)
def test_prompts_that_find_all_machines_busy_wait_no_less(
    name, prompt_tokens, output_tokens, machines, low, high
):
    """As more of them do: their waits then vary less."""
    cluster = sm.Cluster.baseline("H100", machines=machines, batching="continuous")
    model = sm.transformer(name)

    def at(rate_rps):
        load = sm.Workload.from_arrays([prompt_tokens], [output_tokens], rate_rps=rate_rps)
        return METRICS["physical"](cluster, load, model)

    saturation_rps = float(at(1.0).saturation_rps)
    ttft_s = np.array([at(load * saturation_rps).ttft_s for load in np.linspace(low, high, 15)])
    assert (np.diff(ttft_s, axis=0) > -1e-3 * ttft_s[0]).all()


def test_a_cluster_beyond_saturation_says_so():
    values = METRICS["physical"](DESIGNS["HA"], conv(1e4), sm.transformer("bloom-176b"))
    assert values.status == Status.UNSTABLE
    assert values.load_fraction > 1.0
    assert values.throughput_rps == values.saturation_rps
    assert not values.slo_met
    assert all(np.isinf(getattr(values, name)).all() for name in LATENCIES)
    assert not any(np.isnan(value).any() for value in arrays(values).values())


def test_a_model_that_does_not_fit_says_so():
    cluster = sm.Cluster.splitwise("AA", prompt=2, token=2, tensor_parallel=2)
    values = METRICS["physical"](cluster, conv(0.1), sm.transformer("bloom-176b"))
    assert values.status == Status.OUT_OF_MEMORY
    assert not any(np.isnan(value).any() for value in arrays(values).values())


def test_a_gpu_without_profile_says_so():
    cluster = sm.Cluster.splitwise(prompt=("DGX-H200", 2), token=("DGX-A100", 2))
    values = METRICS["splitwise-sim"](cluster, conv(0.1), sm.transformer("bloom-176b"))
    assert values.status == Status.NO_PROFILE
    assert not any(np.isnan(value).any() for value in arrays(values).values())


@pytest.mark.parametrize("mixed_pool", [True, False])
@pytest.mark.parametrize("semantics", METRICS)
def test_requests_of_one_output_token_have_a_number_for_every_output(semantics, mixed_pool):
    load = sm.Workload.from_arrays([500], [1], rate_rps=5.0)
    cluster = sm.Cluster.splitwise("HA", prompt=25, token=26, mixed_pool=mixed_pool)
    values = METRICS[semantics](cluster, load, sm.transformer("llama2-70b"))
    assert values.status == Status.OK
    assert all(np.isfinite(value).all() for value in arrays(values).values())
    np.testing.assert_allclose(values.e2e_s, values.ttft_s, rtol=0.15)


@pytest.mark.numerics
def test_vmap_equals_one_by_one():
    loads = [conv(rate) for rate in (1.0, 5.0, 25.0)]
    model = sm.transformer("bloom-176b")
    rates = jnp.asarray([float(load.rate_rps) for load in loads])
    together = jax.jit(
        jax.vmap(lambda rate: sm.metrics(DESIGNS["AA"], loads[0].with_rate(rate), model))
    )(rates)
    for row, load in enumerate(loads):
        alone = METRICS["physical"](DESIGNS["AA"], load, model)
        for name, value in arrays(alone).items():
            np.testing.assert_allclose(np.asarray(getattr(together, name))[row], value, rtol=2e-3)


@pytest.mark.numerics
@pytest.mark.parametrize("design", ["AA", "HH", "HA", "HHcap"])
def test_splitting_prompts_from_tokens_keeps_tbt_steady(design):
    # A baseline's decodes are interrupted by prompts, those of a Splitwise cluster are not.
    model = sm.transformer("bloom-176b")
    split = METRICS["splitwise-sim"](DESIGNS[design], conv(50.0), model)
    token = "A100" if design in ("AA", "HA") else "H100"
    mixed = METRICS["splitwise-sim"](DESIGNS[f"baseline-{token}"], conv(50.0), model)
    assert split.tbt_s[2] / split.tbt_s[0] < 1.1 < mixed.tbt_s[2] / mixed.tbt_s[0]


def test_power_and_cost_of_the_reference_clusters():
    forty_h100 = DESIGNS["baseline-H100"]
    for name, cluster in DESIGNS.items():
        power_w = float(cluster.power_provisioned_w)
        assert power_w <= forty_h100.power_provisioned_w * (1.0 + 1e-6), name
    assert sm.Cluster.baseline("A100", machines=86).usd_per_hour <= forty_h100.usd_per_hour * (
        1.0 + 1e-6
    )
    capped = DESIGNS["HHcap"]
    assert capped.usd_per_hour == pytest.approx(46 * 38.08)
    assert capped.power_provisioned_w == pytest.approx(10200.0 * (25 + 0.7 * 21))


def test_metrics_hold_every_output_of_the_nomenclature():
    from splitmodel.variables import VARIABLES

    fields = {field.name for field in dataclasses.fields(sm.Metrics)}
    assert fields <= set(VARIABLES)
