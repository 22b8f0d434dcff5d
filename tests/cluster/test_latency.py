"""Cells of requests, against the requests themselves: an idle cluster, without any wait."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import splitmodel as sm
from splitmodel.cluster.flow import Flow
from splitmodel.cluster.latency import latencies
from splitmodel.cluster.make_case import make_case
from splitmodel.variables import PERCENTILES

pytestmark = pytest.mark.numerics

STEP_S, REFERENCE_STEP_S = 0.03, 0.05


def prefill_s(tokens):
    return 0.05 + 1e-4 * tokens + 4e-8 * tokens**2


def transfer_s(tokens):
    return 0.01 + 2e-5 * tokens


def idle(load, **others):
    """A flow in which nobody waits, with other values of some fields."""
    edges = jnp.asarray(load.prompt_edges_tokens)
    zero = jnp.zeros(())
    names = Flow.__dataclass_fields__
    nobody = jnp.zeros_like(edges[1:])
    return Flow(
        **{name: zero for name in names}
        | {name: nobody for name in names if name.startswith(("wait_", "visit_"))}
        | {
            "prefill_edges_s": prefill_s(edges),
            "transfer_edges_s": transfer_s(edges),
            "step_s": jnp.asarray(STEP_S),
        }
        | others
    )


@jax.jit
def percentiles(load, **others):
    case, _, _ = make_case(
        sm.Cluster.splitwise("HH", prompt=1, token=1),
        load,
        "bloom-176b",
        slo=None,
        timing=None,
        semantics="physical",
        stack=None,
        reference="DGX-A100",
    )
    edges = case.load.prompt_edges_tokens
    reference_s = 2.0 * prefill_s(edges), REFERENCE_STEP_S * jnp.ones_like(edges)
    return latencies(case, idle(case.load, **others), reference_s).percentiles()


def by_requests(load):
    """The same, request by request."""
    source = load.source.value
    prompt, steps = source.prompt_tokens, source.output_tokens - 1.0
    first_s, rest_s = prefill_s(prompt), transfer_s(prompt) + steps * STEP_S
    alone_s, alone_rest_s = 2.0 * first_s, steps * REFERENCE_STEP_S
    values = {
        "ttft_s": first_s,
        "tbt_s": rest_s / steps,
        "e2e_s": first_s + rest_s,
        "ttft_slowdown": first_s / alone_s,
        "tbt_slowdown": rest_s / alone_rest_s,
        "e2e_slowdown": (first_s + rest_s) / (alone_s + alone_rest_s),
    }
    return {
        name: np.percentile(value, PERCENTILES, weights=source.weight, method="inverted_cdf")
        for name, value in values.items()
    }


@pytest.mark.parametrize("service", ["conv", "code"])
def test_percentiles_of_an_idle_cluster_are_those_of_its_requests(service):
    load = sm.Workload.azure(service, rate_rps=1.0)
    found, exact = percentiles(load), by_requests(load)
    for name, value in found.items():
        # Exact for prompts; sums and ratios of both sizes are as fine as the cells of the tail.
        accuracy = [2.5e-3] * 3 if name.startswith("ttft") else [0.01, 0.012, 0.04]
        errors = np.abs(np.asarray(value) / exact[name] - 1.0)
        assert (errors < accuracy).all(), (name, errors)


def test_a_batch_that_varies_takes_nobody_less_than_alone():
    """Where steps have nothing to spare, E2E is the same however they vary."""
    load = sm.Workload.azure("conv", rate_rps=1.0)
    variance_s2 = jnp.asarray((0.3 * STEP_S) ** 2)
    alone, varied = percentiles(load), percentiles(load, step_variance_s2=variance_s2)
    np.testing.assert_allclose(varied["e2e_s"], alone["e2e_s"], rtol=1e-5)


def test_equal_requests_of_an_idle_cluster_are_equally_slow():
    """Where nothing varies, a covariance is rounding, and says nothing of slowdowns."""
    cluster = sm.Cluster.splitwise("AA", prompt=492, token=60)
    for rate_rps in (1e-4, 3e-4, 1e-3):
        load = sm.Workload.from_arrays(np.full(9, 1502.0), np.full(9, 179.0), rate_rps=rate_rps)
        values = sm.evaluate(cluster, load, model="bloom-176b", semantics="splitwise-sim")
        slowdown = values["e2e_slowdown"].values
        np.testing.assert_allclose(slowdown, slowdown[0], rtol=1e-2)
