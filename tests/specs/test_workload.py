"""Workloads: the Azure services against their raw traces, one's own requests, every bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.errors import InputError
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel.specs.workload import Workload
from splitmodel.variables import PERCENTILES

SERVICES = ("conv", "code")
COLUMNS = ("prompt", "output")


def sizes(load, column):
    """Sizes of every request that the source stands for."""
    source = load.source.value
    return np.repeat(getattr(source, f"{column}_tokens"), source.weight.astype(int))


def arrivals(load):
    assert load.source.value.arrival_s is not None
    return load.source.value.arrival_s


@pytest.fixture(scope="module", params=SERVICES)
def digest_and_raw(request, data_dir):
    return (
        Workload.azure(request.param, rate_rps=10.0),
        Workload.azure(request.param, rate_rps=10.0, raw=True),
    )


@pytest.mark.parametrize("method", ["linear", "inverted_cdf"])
@pytest.mark.parametrize("column", COLUMNS)
def test_digest_and_quadrature_against_the_raw_trace(digest_and_raw, column, method):
    digest, raw = digest_and_raw
    tokens = sizes(raw, column)
    shipped = sizes(digest, column)
    assert len(shipped) == len(tokens) and len(digest.source.value.weight) <= 2000
    assert shipped.mean() == pytest.approx(tokens.mean(), rel=1e-3)
    assert shipped.std() == pytest.approx(tokens.std(), rel=1e-3)
    assert digest.mean_tokens(column) == pytest.approx(tokens.mean(), rel=1e-3)
    for percentile in (10, 20, 30, 40, 50, 60, 70, 80, 90, 99, 99.9):
        exact = np.percentile(tokens, percentile, method=method)
        assert np.percentile(shipped, percentile, method=method) == pytest.approx(exact, rel=2e-3)
        if percentile in PERCENTILES:
            assert digest.percentile_tokens(column, percentile) == pytest.approx(exact, rel=5e-3)


def test_digest_keeps_the_correlation(digest_and_raw):
    digest, raw = digest_and_raw
    kept, exact = (np.corrcoef(sizes(w, "prompt"), sizes(w, "output"))[0, 1] for w in (digest, raw))
    assert kept == pytest.approx(exact, abs=0.005)
    products = [w.prompt_tokens @ w.weight @ w.output_tokens for w in (digest, raw)]
    assert products[0] == pytest.approx(products[1], rel=5e-3)


@pytest.mark.parametrize("service", SERVICES)
def test_the_script_reproduces_the_digest(service, data_dir):
    script = pytest.importorskip("splitmodel_calibration.digest_workloads")
    shipped = (script.CATALOG / f"azure_{service}.csv").read_text(encoding="utf-8")
    assert script.digest(AZURE_TRACES[service]) == shipped


@pytest.mark.parametrize(("service", "prompt", "output"), [("conv", 1020, 129), ("code", 1469, 13)])
def test_published_medians(service, prompt, output):
    load = Workload.azure(service, rate_rps=1.0)
    assert load.percentile_tokens("prompt", 50) == pytest.approx(prompt)
    assert load.percentile_tokens("output", 50) == pytest.approx(output)


def test_raw_trace_has_its_own_rate(data_dir):
    load = Workload.azure("conv", raw=True)
    assert load.rate_rps == pytest.approx(5.5, rel=0.05)
    assert len(arrivals(load)) == 19_366


def test_every_workload_has_one_structure():
    loads = [
        Workload.azure("conv", rate_rps=70.0),
        Workload.azure("code", rate_rps=jnp.asarray(2.0), independent=True),
        Workload.from_arrays([1], [1], rate_rps=1),
    ]
    assert len({jax.tree.structure(load) for load in loads}) == 1
    assert len({tuple(np.shape(leaf) for leaf in jax.tree.leaves(load)) for load in loads}) == 1
    assert all(isinstance(leaf, float | np.ndarray) for leaf in jax.tree.leaves(loads[0]))


def test_independent_sizes():
    load = Workload.azure("conv", rate_rps=1.0, independent=True)
    np.testing.assert_allclose(
        load.weight, np.outer(np.sum(load.weight, axis=1), np.sum(load.weight, axis=0)), atol=1e-12
    )
    prompt, output = load.source.value.sample(20_000, np.random.default_rng(0))
    assert abs(np.corrcoef(prompt, output)[0, 1]) < 0.03
    assert load.label.value == "conv, independent"


def test_sample_has_the_distribution():
    source = Workload.azure("conv", rate_rps=1.0).source.value
    prompt, output = source.sample(50_000, np.random.default_rng(0))
    assert prompt.mean() == pytest.approx(1154.7, rel=0.02)
    assert np.median(output) == pytest.approx(129, rel=0.02)
    assert np.corrcoef(prompt, output)[0, 1] == pytest.approx(-0.112, abs=0.02)


def test_rate_can_be_traced():
    load = Workload.azure("conv", rate_rps=1.0)

    @jax.jit
    def tokens_per_second(rate_rps):
        changed = load.with_rate(rate_rps)
        return changed.rate_rps * changed.mean_tokens("output")

    assert tokens_per_second(2.0) == pytest.approx(422.25, rel=1e-3)
    assert jax.grad(tokens_per_second)(2.0) == pytest.approx(211.13, rel=1e-3)
    assert load.with_rate(3).rate_rps == 3.0


def test_csv(tmp_path):
    file = tmp_path / "own.csv"
    file.write_text("# mine\noutput_tokens, prompt_tokens,user,weight\n3,10,a,1\n5,20,b,3\n")
    load = Workload.from_csv(file, rate_rps=2.0)
    assert load.mean_tokens("prompt") == pytest.approx(17.5)
    assert load.percentile_tokens("output", 90) == pytest.approx(5.0)
    assert load.label.value == "own"


@pytest.mark.parametrize("offset", ["", "+02:00"])
def test_csv_of_the_azure_layout(tmp_path, offset):
    file = tmp_path / "trace.csv"
    rows = [f"2023-11-16 18:15:4{second}.5000000{offset},{10 + second},7" for second in range(5)]
    file.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]))
    load = Workload.from_csv(file)
    assert load.rate_rps == pytest.approx(1.0)
    np.testing.assert_allclose(arrivals(load), [0, 1, 2, 3, 4], atol=1e-6)
    assert Workload.from_csv(file, rate_rps=9.0).rate_rps == 9.0


def test_trace_keeps_its_arrivals():
    load = Workload.from_trace([10.0, 10.5, 12.0], [5, 6, 7], [1, 2, 3])
    np.testing.assert_allclose(arrivals(load), [0.0, 0.5, 2.0])
    assert load.rate_rps == pytest.approx(1.0)


def test_unknown_service_offers_the_nearest():
    with pytest.raises(InputError, match="workload: unknown name 'conf'; did you mean conv"):
        Workload.azure("conf", rate_rps=1.0)


def test_unknown_column():
    with pytest.raises(InputError, match="column: unknown name 'tokens'"):
        Workload.azure("conv", rate_rps=1.0).mean_tokens("tokens")


@pytest.mark.parametrize("rate_rps", [0.0, -1, np.nan, np.inf, "fast"])
def test_bad_rate(rate_rps):
    with pytest.raises(InputError, match="rate_rps: "):
        Workload.azure("conv", rate_rps=rate_rps)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], []), "prompt_tokens: needs a column"),
        ((5, 6), "prompt_tokens: needs a column"),
        (([10, -3], [1, 1]), "prompt_tokens: '-3' in row 2 .* at least 1"),
        (([10, 10], [1, 0]), "output_tokens: '0' in row 2 .* at least 1"),
        (([10, np.nan], [1, 1]), "prompt_tokens: 'nan' in row 2"),
        (([10, 10], [1, np.inf]), "output_tokens: 'inf' in row 2"),
        (([10, "many"], [1, 1]), "prompt_tokens: 'many' in row 2"),
        (([10, 10], [1, 1, 1]), "output_tokens: has 3 rows, prompt_tokens has 2"),
    ],
)
def test_bad_arrays(columns, message):
    with pytest.raises(InputError, match=message):
        Workload.from_arrays(*columns, rate_rps=1.0)


def test_bad_weight():
    with pytest.raises(InputError, match="weight: '0' in row 1"):
        Workload.from_arrays([1], [1], rate_rps=1.0, weight=[0])


@pytest.mark.parametrize(
    ("arrival_s", "message"),
    [
        ([0.0, 2.0, 1.0], "arrival_s: 1 in row 3 is before the row above it"),
        ([-1.0, 0.0, 1.0], "arrival_s: '-1.0' in row 1"),
        ([0.0, np.nan, 1.0], "arrival_s: 'nan' in row 2"),
        ([0.0, 1.0], "arrival_s: has 2 rows"),
        ([1.0, 1.0, 1.0], "rate_rps: must be given"),
    ],
)
def test_bad_trace(arrival_s, message):
    with pytest.raises(InputError, match=message):
        Workload.from_trace(arrival_s, [1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("prompt_tokens,output_tokens\n", "is empty"),
        ("prompt,output\n1,2\n", "has no column prompt_tokens.*has prompt, output"),
        ("prompt_tokens,output_tokens\n1,2\n3\n", "row 2 has 1 fields, the header has 2"),
        ("prompt_tokens,output_tokens\n1,2\n3,4,5\n", "row 2 has 3 fields"),
        ("prompt_tokens,output_tokens\n1,2\n-3,4\n", "prompt_tokens: '-3' in row 2"),
        ("prompt_tokens,output_tokens\n1,\n", "output_tokens: '' in row 1"),
        ("prompt_tokens,output_tokens\n1,2\n", "rate_rps: must be given"),
        ("ContextTokens,GeneratedTokens,TIMESTAMP\n1,2,noon\n", "TIMESTAMP: 'noon' in row 1"),
        ('prompt_tokens,output_tokens\n1,"2\n', "unexpected end of data"),
        (b"\xff\xfe\x00", "cannot be read as CSV"),
    ],
)
def test_bad_csv(text, message, tmp_path):
    file = tmp_path / "own.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as caught:
        Workload.from_csv(file)
    assert message.startswith("rate_rps") or str(file) in str(caught.value)


def test_missing_csv(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Workload.from_csv(tmp_path / "none.csv", rate_rps=1.0)
