"""The fitted parameters that ship, and what stands in where a machine has no fit of its own."""

import jax
import pytest

from splitmodel.parameters.load import (
    fitted_gpus,
    fitted_machines,
    gpu_efficiency,
    graphs_host_time,
    host_time,
)
from splitmodel.specs.catalogue import machine, machine_names


def test_every_gpu_and_machine_of_the_profile_is_fitted():
    assert fitted_gpus() == ["A100-80GB", "H100-80GB"]
    assert fitted_machines() == ["DGX-A100", "DGX-H100"]


@pytest.mark.parametrize("gpu", fitted_gpus())
def test_fitted_efficiencies_are_shares_and_positive(gpu):
    fit = gpu_efficiency(gpu, like=gpu)
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
    assert fit.gemm_norm > 1.0


@pytest.mark.parametrize("name", fitted_machines())
def test_captured_graphs_cost_the_host_less(name):
    fitted, graphs = host_time(name, like=name), graphs_host_time()
    assert {type(leaf) for leaf in jax.tree.leaves((fitted, graphs))} == {float}
    assert graphs.prefill_layer_s < 0.01 * fitted.prefill_layer_s
    assert graphs.decode_layer_s < 0.01 * fitted.decode_layer_s
    assert graphs.prefill_s < fitted.prefill_s
    assert graphs.decode_batch_s < fitted.decode_batch_s
    assert graphs.norm == fitted.norm > 1.0


def test_a_fit_of_its_own_comes_before_what_it_is_like():
    own = gpu_efficiency("A100-80GB", like="H100-80GB")
    assert own == gpu_efficiency("A100-80GB", like="A100-80GB")
    assert own != gpu_efficiency("H100-80GB", like="H100-80GB")
    assert host_time("DGX-H100", like="DGX-A100") == host_time("DGX-H100", like="DGX-H100")
    assert host_time("DGX-H100", like="DGX-A100") != host_time("DGX-A100", like="DGX-A100")


def test_without_a_fit_the_one_it_is_like_stands_in():
    assert gpu_efficiency("H200", like="H100-80GB") == gpu_efficiency("H100-80GB", "H100-80GB")
    assert host_time("DGX-H200", like="DGX-A100") == host_time("DGX-A100", "DGX-A100")
    assert machine("DGX-H200").gpu.efficiency == machine("DGX-H100").gpu.efficiency
    assert machine("DGX-A100-40GB").host_time == machine("DGX-A100").host_time


@pytest.mark.parametrize("name", machine_names())
def test_every_machine_of_the_catalogue_has_parameters(name):
    found = machine(name)
    assert all(leaf > 0.0 for leaf in jax.tree.leaves((found.gpu.efficiency, found.host_time)))
