"""The interpolated timing, against scipy through the digest and through the raw file's medians."""

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import interp1d

import splitmodel as sm
from splitmodel.parameters.profile import DIGEST, GPUS

pytestmark = pytest.mark.numerics

MACHINES = dict(zip(GPUS, ("DGX-A100", "DGX-H100"), strict=True))
CURVES = [
    (model, gpu, tensor_parallel)
    for model, widths in (("llama2-70b", (2, 4, 8)), ("bloom-176b", (8,)))
    for tensor_parallel in widths
    for gpu in GPUS
]
KNOTS = 128.0 * 2.0 ** np.arange(9)
SIZES = np.sort(
    np.concatenate(
        [
            KNOTS,
            KNOTS[:-1] * 1.4142,
            [1.0, 64.0, 40_000.0, 70_000.0],  # beyond the outer knots
        ]
    )
)
LEAST_S = 1e-6
"""What stands where a falling last segment extrapolates below zero."""


@pytest.fixture(scope="module")
def shipped():
    rows = pd.read_csv(DIGEST, comment="#")
    return rows.set_index(["model", "gpu", "tensor_parallel"])


@pytest.fixture(scope="module")
def raw_medians(data_dir):
    """Medians of all raw rows, not of medians, by x = prompt · batch."""
    raw = pd.read_csv(data_dir / "splitwise_profile.csv").rename(columns={"hardware": "gpu"})
    keys = ["model", "gpu", "tensor_parallel", "batched_tokens"]
    raw = raw.assign(
        batched_tokens=raw.prompt_size * raw.batch_size,
        prefill_s=raw.prompt_time / 1e3,
        decode_s=raw.token_time / 1e3,
    )
    medians = raw.groupby(keys)[["prefill_s", "decode_s"]].median()
    return medians.reset_index("batched_tokens")


def through(rows, column, x):
    curve = interp1d(rows.batched_tokens, rows[column], fill_value="extrapolate")  # type: ignore
    return np.maximum(curve(x), LEAST_S)


def prefill_s(model, machine, tensor_parallel, tokens, **options):
    return np.asarray(
        sm.iteration_time(
            "prefill",
            model=model,
            machine=machine,
            tensor_parallel=tensor_parallel,
            prompt_tokens=tokens,
            timing="interpolated",
            **options,
        )
    )


def decode_s(model, machine, tensor_parallel, requests, context_tokens=1000.0):
    return np.asarray(
        sm.iteration_time(
            "decode",
            model=model,
            machine=machine,
            tensor_parallel=tensor_parallel,
            batch_size=requests,
            context_tokens=context_tokens,
            timing="interpolated",
        )
    )


@pytest.mark.parametrize(("model", "gpu", "tensor_parallel"), CURVES)
@pytest.mark.parametrize("source", ["shipped", "raw_medians"])
def test_equals_interp1d(request, source, model, gpu, tensor_parallel):
    rows = request.getfixturevalue(source).loc[(model, gpu, tensor_parallel)]
    assert len(rows) == len(KNOTS)
    for column, times_s in (("prefill_s", prefill_s), ("decode_s", decode_s)):
        found_s = times_s(model, MACHINES[gpu], tensor_parallel, SIZES)
        np.testing.assert_allclose(found_s, through(rows, column, SIZES), rtol=1e-5)


def test_the_floor_is_reached_on_the_broken_curve_alone(shipped):
    """Llama TP 2 at batch 64 is broken: its last segment falls, and soon below zero."""
    for curve in CURVES:
        rows = shipped.loc[curve]
        floored = {
            column for column in ("prefill_s", "decode_s") if through(rows, column, 7e4) <= LEAST_S
        }
        assert floored == ({"prefill_s"} if curve[-1] == 2 else set()), curve


def test_the_curve_is_read_at_batched_tokens_and_at_running_requests():
    one = prefill_s("bloom-176b", "DGX-H100", 8, np.array([2048.0, 1100.0]))
    many = prefill_s(
        "bloom-176b", "DGX-H100", 8, np.array([512.0, 275.0]), batch_size=np.array([4.0, 4.0])
    )
    np.testing.assert_allclose(one, many, rtol=1e-6)
    short, long = (
        decode_s("bloom-176b", "DGX-H100", 8, SIZES, context) for context in (10.0, 8000.0)
    )
    np.testing.assert_array_equal(short, long)


@pytest.mark.parametrize(
    ("machine", "published_ms"),
    [("DGX-A100", {1155: 319, 2048: 536, 7437: 3175}), ("DGX-H100", {1155: 147.5, 2048: 252})],
)
def test_prefill_of_bloom_as_the_authors_simulator_prints_it(machine, published_ms):
    times_s = prefill_s("bloom-176b", machine, 8, np.array(list(published_ms), dtype=float))
    np.testing.assert_allclose(1e3 * times_s, list(published_ms.values()), rtol=2e-3)


def test_decode_of_bloom_hardly_depends_on_the_batch():
    """The authors' simulator on A100: 47.52 ms at one request and 47.56 ms at 64."""
    times_s = decode_s("bloom-176b", "DGX-A100", 8, np.array([1.0, 64.0]))
    np.testing.assert_allclose(1e3 * times_s, [47.52, 47.56], atol=0.005)


@pytest.mark.parametrize("semantics", ["physical", "splitwise-sim"])
def test_mixed_iterations(semantics):
    """Simulator: 1.1 times the prefill of all tokens; physical: the slower of the phases."""
    requests, tokens = np.array([30.0, 500.0]), np.array([700.0, 60.0])
    mixed_s = sm.iteration_time(
        "mixed",
        model="bloom-176b",
        machine="DGX-A100",
        batch_size=requests,
        prompt_tokens=tokens,
        context_tokens=1000,
        timing="interpolated",
        semantics=semantics,
    )
    prefills_s = prefill_s("bloom-176b", "DGX-A100", 8, tokens + requests)
    decodes_s = decode_s("bloom-176b", "DGX-A100", 8, requests)
    if semantics == "splitwise-sim":
        expected_s = 1.1 * prefills_s
    else:
        expected_s = np.maximum(prefills_s, decodes_s)
    np.testing.assert_allclose(mixed_s, expected_s, rtol=1e-6)
