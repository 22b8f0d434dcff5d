"""`splitmodel list`: the names that other subcommands take, with what they stand for."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from inspect import getdoc
from typing import Annotated, Any

from cyclopts import Parameter

from splitmodel.cli.options import Flag
from splitmodel.cli.show import print_json, show, table
from splitmodel.errors import check_choice
from splitmodel.specs.catalogue import machine, machine_names, model_names, transformer
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel.specs.workload import Workload

Found = dict[str, dict[str, Any]]
"""Fields by name of the thing listed."""


def list_command(what: Annotated[str, Parameter(name="WHAT")], /, *, json: Flag = False) -> None:
    """Names of machines, models, workloads or studies.

    A file of one's own goes wherever one of these names goes: FILE.toml (or FILE.toml#NAME) for a
    machine or a model, config.json for a model, a CSV file for a workload.

    Args:
        what: machines, models, workloads or studies.
        json: Print JSON: an object of fields per name.

    Examples:
        ::

            splitmodel list machines
            splitmodel list models --json
    """
    found = LISTS[check_choice("list", what, LISTS)]()
    if json:
        print_json(found)
    elif found:
        fields = next(iter(found.values()))
        show(
            table(what, ["name", *fields], ([name, *each.values()] for name, each in found.items()))
        )
    else:
        print(f"no {what}")


def _machines() -> Found:
    return {
        name: {
            "gpus": each.gpus,
            "gpu": each.gpu.label.value,
            "usd_per_hour": each.usd_per_hour,
            "power_provisioned_w": each.power_provisioned_w,
            "infiniband_bytes_per_s": each.infiniband_bytes_per_s,
        }
        for name in machine_names()
        for each in [machine(name)]
    }


def _models() -> Found:
    return {
        name: {
            "parameters": each.parameters,
            "layers": each.layers,
            "heads": each.heads,
            "kv_heads": each.kv_heads,
            "weight_bytes": each.weight_bytes,
            "kv_bytes_per_token": each.kv_bytes_per_token,
        }
        for name in model_names()
        for each in [transformer(name)]
    }


def _workloads() -> Found:
    return {
        name: {
            f"{column}_tokens_{what}": float(value)
            for column in ("prompt", "output")
            for what, value in (
                ("mean", load.mean_tokens(column)),
                ("p50", load.percentile_tokens(column, 50.0)),
                ("p99", load.percentile_tokens(column, 99.0)),
            )
        }
        for name in AZURE_TRACES
        for load in [Workload.azure(name, rate_rps=1.0)]
    }


def _studies() -> Found:
    return {
        each.name: {"about": (getdoc(each.load()) or "").partition("\n")[0]}
        for each in entry_points(group="splitmodel.studies")
    }


LISTS: dict[str, Callable[[], Found]] = {
    "machines": _machines,
    "models": _models,
    "workloads": _workloads,
    "studies": _studies,
}
