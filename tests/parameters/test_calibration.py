"""The fitted parameters that ship, what stands in for those that are missing, and broken files."""

import jax
import pytest

from splitmodel.errors import InputError
from splitmodel.parameters.calibration import (
    SHIPPED,
    graphs_host_time,
    read_calibration,
    shipped,
)
from splitmodel.specs.catalogue import machine, machine_names


def test_every_gpu_and_machine_of_the_profile_is_fitted():
    assert list(shipped().gpus) == ["A100-80GB", "H100-80GB"]
    assert list(shipped().hosts) == ["DGX-A100", "DGX-H100"]


@pytest.mark.parametrize("gpu", list(shipped().gpus))
def test_fitted_efficiencies_are_shares_and_positive(gpu):
    fit = shipped().gpus[gpu]
    assert {type(leaf) for leaf in jax.tree.leaves(fit)} == {float}
    shares = (
        fit.gemm_compute,
        fit.hbm,
        fit.attention_compute,
        fit.attention_hbm,
        fit.collective_bandwidth,
    )
    assert all(0.0 < share <= 1.0 for share in shares)
    assert all(leaf > 0.0 for leaf in jax.tree.leaves(fit))
    assert fit.prefill_misfit == fit.decode_misfit == 1.0


@pytest.mark.parametrize("fitted", shipped().hosts.values(), ids=shipped().hosts)
def test_captured_graphs_cost_the_host_less(fitted):
    graphs = graphs_host_time()
    assert {type(leaf) for leaf in jax.tree.leaves((fitted, graphs))} == {float}
    assert graphs.prefill_layer_s < 0.01 * fitted.prefill_layer_s
    assert graphs.decode_layer_s < 0.01 * fitted.decode_layer_s
    assert graphs.prefill_s < fitted.prefill_s
    assert graphs.decode_request_s < fitted.decode_request_s
    assert graphs.norm == fitted.norm > 1.0


def test_a_fit_of_its_own_comes_before_what_it_is_like():
    found = shipped()
    own = found.gpu_efficiency("A100-80GB", like="H100-80GB")
    assert own == found.gpus["A100-80GB"] != found.gpus["H100-80GB"]
    own = found.host_time("DGX-H100", like="DGX-A100")
    assert own == found.hosts["DGX-H100"] != found.hosts["DGX-A100"]


def test_without_a_fit_the_one_it_is_like_stands_in():
    assert machine("DGX-H200").gpu.efficiency == machine("DGX-H100").gpu.efficiency
    assert machine("DGX-A100-40GB").host_time == machine("DGX-A100").host_time
    # Draw was measured on one GPU only.
    assert machine("DGX-H100").gpu.power == machine("DGX-A100").gpu.power


@pytest.mark.parametrize("name", machine_names())
def test_every_machine_of_the_catalogue_has_parameters(name):
    found = machine(name)
    fitted = (found.gpu.efficiency, found.gpu.power, found.host_time)
    assert all(leaf > 0.0 for leaf in jax.tree.leaves(fitted))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[shared]", "[shared", "cannot be read"),
        ("hbm =", "hmb =", "hmb"),
        ("gemm_norm =", "# gemm_norm =", "gemm_norm"),
        ("[host.", "[hosts.", "host"),
        ("layer_latency_s = ", "layer_latency_s = -", "positive"),
    ],
)
def test_a_broken_file_is_named(tmp_path, old, new, message):
    broken = tmp_path / "broken.toml"
    broken.write_text(SHIPPED.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read_calibration(broken)
    assert str(broken) in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.toml"):
        read_calibration(tmp_path / "nowhere.toml")
