"""The registry of output variables and the attributes that it gives to results."""

import numpy as np
import xarray as xr

from splitmodel.codes import Bound, Status
from splitmodel.variables import COORDINATES, VARIABLES, attrs_of

UNITS = {
    "s": "ttft_s tbt_s e2e_s ttft_parts_s kv_transfer_s request_arrival_s request_queue_s "
    "request_ttft_s request_tbt_s request_e2e_s iteration_start_s iteration_end_s "
    "simulated_ttft_s simulated_tbt_s simulated_e2e_s",
    "tokens": "request_prompt_tokens request_output_tokens iteration_tokens",
    "bytes": "iteration_kv_bytes",
    "requests/s": "throughput_rps saturation_rps goodput_rps highest_rate_rps map_highest_rate_rps "
    "simulated_highest_rate_rps",
    "W": "power_provisioned_w power_mean_w map_power_provisioned_w",
    "$/h": "cost_usd_per_hour map_cost_usd_per_hour",
    "$/request": "usd_per_request",
    "$/1e6 tokens": "usd_per_million_tokens",
    "requests/$": "requests_per_usd",
    "J/request": "energy_j_per_request",
    "requests/J": "requests_per_joule",
    "1": "ttft_slowdown tbt_slowdown e2e_slowdown load_fraction utilisation bound machines "
    "slo_attainment slo_met status rate_vs_baseline_a100 rate_vs_baseline_h100 "
    "cost_vs_baseline_a100 cost_vs_baseline_h100 power_vs_baseline_a100 power_vs_baseline_h100 "
    "simulated_ttft_slowdown simulated_tbt_slowdown simulated_e2e_slowdown holds_in_simulation "
    "map_machines iteration_server iteration_prompts iteration_decodes",
}


def test_every_output_has_its_unit():
    expected = {name: unit for unit, names in UNITS.items() for name in names.split()}
    assert {name: attrs_of(name)["units"] for name in VARIABLES} == expected


def test_dimensions_have_labels():
    used = {dim for variable in VARIABLES.values() for dim in variable.dims}
    assert used == {*COORDINATES, "request", "iteration"}


def test_codes_are_explained():
    assert attrs_of("status")["flag_values"] == [int(code) for code in Status]
    assert attrs_of("status")["flag_meanings"] == "ok unstable out_of_memory no_profile"
    assert attrs_of("bound")["flag_values"] == [int(code) for code in Bound]
    assert attrs_of("bound")["flag_meanings"] == "compute hbm collective host"


def test_attributes_survive_a_netcdf_file(tmp_path):
    written = xr.Dataset({"status": ((), np.int8(Status.UNSTABLE), attrs_of("status"))})
    written.to_netcdf(tmp_path / "out.nc", engine="h5netcdf")
    read = xr.load_dataset(tmp_path / "out.nc", engine="h5netcdf")
    assert list(read["status"].attrs["flag_values"]) == attrs_of("status")["flag_values"]
    assert read["status"].attrs["flag_meanings"] == attrs_of("status")["flag_meanings"]
