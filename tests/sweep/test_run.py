"""Sweeps: their shape, their agreement with single evaluations, statuses, and bad input."""

import pickle

import jax
import numpy as np
import pytest
import xarray as xr

import splitmodel as sm
from splitmodel.codes import Status
from splitmodel.results import check_writable, save
from splitmodel.sweep import run
from splitmodel.sweep.lattice import block_rows

LOAD = sm.Workload.azure("conv", rate_rps=20.0)
MODEL = "bloom-176b"
LITTLE = ["saturation_rps"]
"""Outputs that compile fast."""


def assert_agree(found: xr.Dataset, alone: xr.Dataset) -> None:
    """Equal but for rounding, which the compiler does differently for many and for one."""
    rtol = 1e-6 if found["ttft_s"].dtype == np.float64 else 1e-3
    xr.testing.assert_allclose(found.reset_coords(drop=True), alone, rtol=rtol)


@pytest.fixture(scope="module")
def product() -> xr.Dataset:
    space = sm.DesignSpace(
        design=["AA", "HA"], prompt=[2, 20, 45], token=range(1, 30, 7), rate_rps=[5.0, 40.0, 400.0]
    )
    return sm.sweep(space, LOAD, model=MODEL)


@pytest.fixture(scope="module")
def listed() -> xr.Dataset:
    space = sm.DesignSpace(
        design=["HHcap", "baseline-A100", "baseline-H100"],
        prompt=[10, 25],
        token=[15],
        machines=[30, 40],
        batching=["mixed", "continuous", "request"],
        tensor_parallel=[4, 8],
        max_usd_per_hour=1600.0,
    )
    return sm.sweep(space, LOAD, model="llama2-70b")


def test_a_product_has_one_dimension_per_axis(product):
    assert dict(product["ttft_s"].sizes) == {
        "design": 2,
        "prompt": 3,
        "token": 5,
        "rate_rps": 3,
        "percentile": 3,
    }
    assert list(product.data_vars) == list(sm.Metrics.__dataclass_fields__)
    assert product["rate_rps"].attrs["units"] == "requests/s"
    assert product["machines"].sel(design="HA", prompt=45, token=29, rate_rps=5.0) == 74


def test_a_mixed_space_has_one_dimension_with_coordinates(listed):
    assert listed.sizes["config"] == 2 * 2 + 3 * 2 * 2 + 3 * 2 * 2
    own = {"design", "prompt", "token", "machines", "batching", "tensor_parallel"}
    assert {name for name in listed.coords if listed[name].dims == ("config",)} == own
    assert listed.coords["rate_rps"] == 20.0
    split = listed["design"] == "HHcap"
    assert (listed["machines"].where(split, drop=True) >= 25).all()
    assert (listed["batching"][split.values] == "").all()
    assert (listed["prompt"][~split.values] == 0).all()


@pytest.mark.numerics
@pytest.mark.parametrize("point", [("AA", 20, 22, 40.0), ("HA", 45, 29, 5.0), ("HA", 2, 1, 400.0)])
def test_a_product_agrees_with_evaluate(product, point):
    design, prompt, token, rate_rps = point
    cluster = sm.Cluster.splitwise(design, prompt=prompt, token=token)
    alone = sm.evaluate(cluster, LOAD.with_rate(rate_rps), model=MODEL)
    found = product.sel(design=design, prompt=prompt, token=token, rate_rps=rate_rps)
    assert_agree(found, alone)


@pytest.mark.numerics
@pytest.mark.parametrize("index", range(0, 28, 3))
def test_a_mixed_space_agrees_with_evaluate(listed, index):
    found = listed.isel(config=index)
    tensor_parallel = float(found["tensor_parallel"])
    name = str(found["design"].values)
    if name == "HHcap":
        cluster = sm.Cluster.splitwise(
            name,
            prompt=float(found["prompt"]),
            token=float(found["token"]),
            tensor_parallel=tensor_parallel,
        )
    else:
        cluster = sm.Cluster.baseline(
            name.removeprefix("baseline-"),
            machines=float(found["machines"]),
            batching=str(found["batching"].values),
            tensor_parallel=tensor_parallel,
        )
    alone = sm.evaluate(cluster, LOAD, model="llama2-70b").drop_vars("machines")
    assert_agree(found, alone)


def test_padding_changes_nothing():
    space = sm.DesignSpace(design="AA", prompt=range(1, 71), token=range(1, 71))
    assert len(space) % block_rows()
    whole = sm.sweep(space, LOAD, model=MODEL, variables=LITTLE)
    assert set(whole.data_vars) == {"saturation_rps", "status"}
    corner = sm.DesignSpace(design="AA", prompt=70, token=[69, 70])
    part = sm.sweep(corner, LOAD, model=MODEL, variables=LITTLE)
    np.testing.assert_array_equal(
        whole["saturation_rps"].sel(prompt=70, token=[69, 70]),
        part["saturation_rps"].sel(prompt=70),
    )


def test_reductions_tell_what_the_table_tells():
    space = sm.DesignSpace(design=["AA", "HA"], prompt=range(1, 30), token=range(1, 30))
    table = sm.sweep(space, LOAD, model=MODEL, variables=LITTLE)
    ranked = table["saturation_rps"] / (table["prompt"] + table["token"])
    best = sm.TopK("saturation_rps / (prompt + token)", 5, where="status == 0", largest=True)
    found = sm.sweep(space, LOAD, model=MODEL, reduce=best)
    order = np.sort(ranked.where(table["status"] == 0).values.ravel())[::-1]
    np.testing.assert_allclose(
        found["saturation_rps"] / (found["prompt"] + found["token"]),
        order[~np.isnan(order)][:5],
        rtol=1e-6,
    )
    assert found.attrs["status_ok"] == (table["status"] == 0).sum()
    assert found.attrs["configurations"] == table["status"].size


@pytest.mark.parametrize("semantics", ["physical", "splitwise-sim"])
def test_a_sweep_can_be_sent_to_another_process(semantics, monkeypatch):
    jobs = []
    monkeypatch.setattr(run, "compute", lambda job, *_, **__: jobs.append(job))
    space = sm.DesignSpace(design=["HA", "baseline-A100"], prompt=[9], token=[8], machines=[7])
    sm.sweep(space, LOAD, model=MODEL, semantics=semantics, reduce=sm.Count())
    sent = pickle.dumps(jobs[0])
    assert len(sent) < 1_000_000
    received = pickle.loads(sent)
    assert received == jobs[0] and hash(received) == hash(jobs[0])
    assert jax.tree.structure(received.function) == jax.tree.structure(jobs[0].function)
    for one, other in zip(received.lattice.tables, jobs[0].lattice.tables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_table_too_large_for_memory_is_refused():
    space = sm.DesignSpace(
        design="AA", prompt=range(1, 5001), token=range(1, 5001), rate_rps=[1.0, 2.0]
    )
    with pytest.raises(sm.InputError, match=r"space: 50,000,000 configurations; .* give reduce="):
        sm.sweep(space, LOAD, model=MODEL)


def test_statuses_tell_what_cannot_be_served(product, listed):
    assert set(np.unique(product["status"])) == {Status.OK, Status.UNSTABLE}
    assert (product["status"].sel(rate_rps=400.0, prompt=2) == Status.UNSTABLE).all()
    for results in (product, listed):
        ok = results["status"] == Status.OK
        for name in results.data_vars:
            assert not np.isnan(results[name].where(ok, 0.0)).any(), name
            if name not in ("bound", "status"):
                assert np.isfinite(results[name].where(ok, 0.0)).all(), name


def test_a_model_that_does_not_fit_is_a_status():
    space = sm.DesignSpace(design="AA", prompt=10, token=10, tensor_parallel=[2, 4, 8])
    found = sm.sweep(space, LOAD, model=MODEL, variables=LITTLE)["status"].squeeze()
    assert found.values.tolist() == [Status.OUT_OF_MEMORY, Status.OUT_OF_MEMORY, Status.OK]
    space = sm.DesignSpace(design="AA", prompt=10, token=10, tensor_parallel=[16])
    assert sm.sweep(space, LOAD, model=MODEL, variables=LITTLE)["status"] == Status.OUT_OF_MEMORY


def test_a_machine_without_a_profile_is_a_status():
    space = sm.DesignSpace(design=["AA", "DGX-H200+DGX-A100"], prompt=20, token=20)
    found = sm.sweep(space, LOAD, model=MODEL, timing="interpolated", variables=LITTLE)["status"]
    assert found.values.ravel().tolist() == [Status.OK, Status.NO_PROFILE]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "bloom"}, "did you mean bloom-176b"),
        ({"slo": "splitwize.toml"}, "splitwize.toml"),
        ({"semantics": "physics"}, "semantics: unknown name"),
        ({"timing": "fast"}, "timing: unknown name"),
        ({"tier": "simulated"}, "tier: unknown name"),
        ({"variables": ["ttft"]}, "variables: unknown name 'ttft'; did you mean ttft_s"),
        ({"reference": "DGX-A10"}, "did you mean DGX-A100"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(given, message, monkeypatch):
    monkeypatch.setattr(run, "compute", lambda *_: pytest.fail("it went to work"))
    space = sm.DesignSpace(design="AA", prompt=1, token=1)
    with pytest.raises(sm.InputError, match=message):
        sm.sweep(space, LOAD, **{"model": MODEL, **given})


def test_heads_that_cannot_be_shared_are_refused():
    space = sm.DesignSpace(design="AA", prompt=1, token=1, tensor_parallel=[3, 8])
    with pytest.raises(sm.InputError, match="3 does not divide the 112 query heads"):
        sm.sweep(space, LOAD, model=MODEL)


def test_results_survive_a_file(product, listed, tmp_path):
    for index, results in enumerate((product, listed)):
        path = tmp_path / f"{index}.nc"
        path.write_text("an older file")
        save(results, path)
        with xr.open_dataset(path, engine="h5netcdf") as found:
            xr.testing.assert_identical(found.load(), results)
    assert len(list(tmp_path.iterdir())) == 2


def test_output_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(sm.InputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(sm.InputError, match="cannot be written: No such file or directory"):
        check_writable(tmp_path / "missing" / "out.nc")
    check_writable(tmp_path / "out.nc")
    assert not list(tmp_path.iterdir())
