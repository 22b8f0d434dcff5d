"""Machines and transformers by name, from the catalogue or from a file of the user's own.

A file of one's own is given in place of a name: "mine.toml", or "mine.toml#NAME" where it has
several. It is TOML with any of the tables `[gpus.NAME]`, `[machines.NAME]` and `[models.NAME]`,
read by the same code as the files in `catalog/`, which say what each field means. A source is
welcome there, beside any number or for a whole table, but not required:

    [gpus.B200]
    like = "H100-80GB"
    tflop_per_s = 2250
    hbm_gib = 180
    hbm_gb_per_s = { value = 8000, source = "NVIDIA DGX B200 data sheet" }
    nvlink_gb_per_s = 900
    tdp_w = 1000

    [machines.DGX-B200]
    gpu = "B200"
    like = "DGX-H100"
    gpus = 8
    infiniband_gb_per_s = 400
    price_sets.default = { usd_per_hour = 68.8, power_provisioned_w = 14300 }
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from splitmodel.errors import InputError, unknown_name
from splitmodel.parameters.calibration import shipped
from splitmodel.parameters.profile import GPUS
from splitmodel.specs.architecture import read_architecture
from splitmodel.specs.entry import Entry
from splitmodel.specs.files import read_file
from splitmodel.specs.hardware import Gpu, Machine
from splitmodel.specs.host_only import HostOnly
from splitmodel.specs.huggingface import read_config
from splitmodel.specs.transformer import Transformer
from splitmodel.units import GIB

KINDS = ("gpus", "machines", "models")
Entries = dict[str, dict[str, Entry]]
"""Entries by kind and name."""


@cache
def _shipped() -> Entries:
    """The entries that ship with the library; one file of the catalogue has one kind."""
    folder = files("splitmodel.specs") / "catalog"
    merged: Entries = {}
    for kind in KINDS:
        with as_file(folder / f"{kind}.toml") as path:
            merged[kind] = _read_entries(path)[kind]
    return merged


def _read_entries(path: Path) -> Entries:
    top = read_file(path)
    tables = {kind: top.table(kind, {}) for kind in KINDS}
    top.refuse_unknown()
    return {
        kind: {name: table.table(name) for name in table.names()} for kind, table in tables.items()
    }


def machine_names() -> list[str]:
    """Names of the machines in the catalogue."""
    return list(_shipped()["machines"])


def model_names() -> list[str]:
    """Names of the transformers in the catalogue."""
    return list(_shipped()["models"])


def machine(machine: str | Path | Machine, price_set: str = "default") -> Machine:
    """A machine by name, or from a TOML file of one's own.

    Args:
        machine: a name in the catalogue, "file.toml" or "file.toml#NAME"; a `Machine` is returned
            as it is.
        price_set: set of price and provisioned power: "default", the arithmetic of the Splitwise
            authors; "datasheet"; or a name of the machine's own.

    Raises:
        InputError: for an unknown name, or a file that is malformed, incomplete or has an unknown
            field or a number outside its range.
    """
    if isinstance(machine, Machine):
        return machine
    name, entries = _find("machines", machine)
    if entries is _shipped():
        return _shipped_machine(name, price_set)
    return _read_machine(name, entries, price_set)


@cache
def _shipped_machine(name: str, price_set: str) -> Machine:
    return _read_machine(name, _shipped(), price_set)


def transformer(model: str | Path | Transformer) -> Transformer:
    """A transformer by name, from a TOML file of one's own, or from a Hugging Face config.json.

    Args:
        model: a name in the catalogue, "file.toml" or "file.toml#NAME", a config.json or the
            folder that holds one; a `Transformer` is returned as it is.

    Raises:
        InputError: for an unknown name, or a file that is malformed, incomplete or has an unknown
            field, a number outside its range or a family that is not supported.
    """
    if isinstance(model, Transformer):
        return model
    path = Path(model)
    if str(model) not in model_names() and (path.suffix == ".json" or path.is_dir()):
        path = path / "config.json" if path.is_dir() else path
        label = path.resolve().parent.name if path.name == "config.json" else path.stem
        return read_config(read_file(path)).transformer(label)
    name, entries = _find("models", model)
    return read_architecture(entries["models"][name]).transformer(name)


def _find(kind: str, reference: str | Path) -> tuple[str, Entries]:
    """Name of the entry that is meant, and the entries among which it stands."""
    shipped = _shipped()
    if str(reference) in shipped[kind]:
        return str(reference), shipped
    path, _, name = str(reference).partition("#")
    if not path.endswith(".toml"):
        raise unknown_name(kind.removesuffix("s"), reference, shipped[kind])
    own = _read_entries(Path(path))
    return _choose(path, kind, own[kind], name), own | {"gpus": shipped["gpus"] | own["gpus"]}


def _choose(path: str, kind: str, entries: Mapping[str, Entry], name: str) -> str:
    """The entry meant: the one named, else the file's only one."""
    if not entries:
        raise InputError(f"{path}: has no [{kind}.NAME] table")
    if name in entries:
        return name
    if name:
        raise unknown_name(f"{path}: {kind}", name, entries)
    if len(entries) > 1:
        raise InputError(
            f'{path}: has several {kind}; add which one, as in "{path}#{next(iter(entries))}", '
            f"of: {', '.join(entries)}"
        )
    return next(iter(entries))


def _read_gpu(name: str, entry: Entry) -> Gpu:
    like = entry.text("like", choices=shipped().gpus)
    gpu = Gpu(
        flop_per_s=1e12 * entry.number("tflop_per_s"),
        hbm_bytes=GIB * entry.number("hbm_gib"),
        hbm_bytes_per_s=1e9 * entry.number("hbm_gb_per_s"),
        nvlink_bytes_per_s=1e9 * entry.number("nvlink_gb_per_s"),
        tdp_w=entry.number("tdp_w"),
        profile_row=entry.row("profile", GPUS),
        efficiency=shipped().gpu_efficiency(name, like),
        power=shipped().power_use(name, like),
        label=HostOnly(name),
        like=HostOnly(like),
    )
    entry.refuse_unknown()
    return gpu


def _read_machine(name: str, entries: Entries, price_set: str) -> Machine:
    entry = entries["machines"][name]
    gpu = entry.text("gpu", choices=entries["gpus"])
    sets = entry.table("price_sets")
    price_sets = {set_name: sets.table(set_name) for set_name in sets.names()}
    if price_set not in price_sets:
        raise unknown_name(f"{entry.where}: price_set", price_set, price_sets)
    prices = {set_name: _read_prices(prices) for set_name, prices in price_sets.items()}
    usd_per_hour, power_provisioned_w = prices[price_set]
    like = entry.text("like", choices=shipped().hosts)
    machine = Machine(
        gpu=_read_gpu(gpu, entries["gpus"][gpu]),
        gpus=entry.count("gpus"),
        infiniband_bytes_per_s=1e9 * entry.number("infiniband_gb_per_s"),
        usd_per_hour=usd_per_hour,
        power_provisioned_w=power_provisioned_w,
        host_time=shipped().host_time(name, like),
        label=HostOnly(name),
        like=HostOnly(like),
    )
    entry.refuse_unknown()
    return machine


def _read_prices(entry: Entry) -> tuple[float, float]:
    """Price [$/h] and provisioned power [W]."""
    prices = entry.number("usd_per_hour"), entry.number("power_provisioned_w")
    entry.refuse_unknown()
    return prices
