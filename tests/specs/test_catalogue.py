"""The catalogue: its numbers and their sources, files of one's own, and every bad input."""

import tomllib
from importlib.resources import files

import jax
import pytest

from splitmodel.errors import InputError
from splitmodel.specs.catalogue import machine, machine_names, model_names, transformer
from splitmodel.units import GIB

CATALOG = {
    kind: tomllib.loads((files("splitmodel.specs") / "catalog" / f"{kind}.toml").read_text())[kind]
    for kind in ("gpus", "machines", "models")
}

OWN_FILE = """
[gpus.B300]
like = "H100-80GB"
tflop_per_s = 2250
hbm_gib = 268
hbm_gb_per_s = { value = 8000, source = "data sheet" }
nvlink_gb_per_s = 900
tdp_w = 1400

[machines.big]
gpu = "B300"
like = "DGX-H100"
gpus = 4
infiniband_gb_per_s = 800
price_sets.default = { usd_per_hour = 60, power_provisioned_w = 14000 }
price_sets.spot = { usd_per_hour = 20, power_provisioned_w = 14000 }

[models.tiny]
layers = 2
hidden = 64
heads = 4
kv_heads = 2
head_dim = 32
ffn_hidden = 256
gated_mlp = false
vocab = 1000
tied_embeddings = true
norm = "layer"
biases = ["mlp"]
dtype = "bfloat16"
weight_dtype = "float8"
"""


@pytest.fixture
def own(tmp_path):
    """Writes OWN_FILE with one piece of text replaced, and gives its path."""

    def write(old: str = "", new: str = "") -> str:
        assert old in OWN_FILE
        path = tmp_path / "own.toml"
        path.write_text(OWN_FILE.replace(old, new, 1), encoding="utf-8")
        return str(path)

    return write


def numbers_without_source(table, *, inherit: bool, source: bool = False):
    """Paths of the numbers in a table that no `source` covers."""
    source = source or len(table.get("source", "")) > 10
    for key, value in table.items():
        if isinstance(value, dict):
            for path in numbers_without_source(value, inherit=inherit, source=inherit and source):
                yield f"{key}.{path}"
        elif isinstance(value, int | float) and not isinstance(value, bool) and not source:
            yield key


@pytest.mark.parametrize("kind", ["gpus", "machines"])
def test_every_number_has_its_own_source(kind):
    for entry in CATALOG[kind].values():
        assert list(numbers_without_source(entry, inherit=False)) == []
        assert "source" not in entry  # each number is from elsewhere


def test_every_number_of_a_model_has_a_source():
    for entry in CATALOG["models"].values():
        assert list(numbers_without_source(entry, inherit=True)) == []


def test_the_search_for_sources_finds_a_number_without():
    table = {"a": 1.0, "b": {"value": 2, "source": ""}, "c": {"value": 3, "source": "data sheet 2"}}
    assert list(numbers_without_source(table, inherit=False)) == ["a", "b.value"]


@pytest.mark.parametrize(
    ("name", "flop_per_s", "hbm_bytes", "hbm_bytes_per_s", "nvlink_bytes_per_s", "tdp_w", "row"),
    [
        ("DGX-A100", 312e12, 80 * GIB, 2039e9, 300e9, 400, 0),
        ("DGX-A100-40GB", 312e12, 40 * GIB, 1555e9, 300e9, 400, -1),
        ("DGX-H100", 989e12, 80 * GIB, 3350e9, 450e9, 700, 1),
        ("DGX-H200", 989e12, 140.4 * GIB, 4800e9, 450e9, 700, -1),
    ],
)
def test_gpus(name, flop_per_s, hbm_bytes, hbm_bytes_per_s, nvlink_bytes_per_s, tdp_w, row):
    gpu = machine(name).gpu
    assert gpu.flop_per_s == flop_per_s
    assert gpu.hbm_bytes == hbm_bytes
    assert gpu.hbm_bytes_per_s == hbm_bytes_per_s
    assert gpu.nvlink_bytes_per_s == nvlink_bytes_per_s
    assert gpu.tdp_w == tdp_w
    assert gpu.profile_row == row


@pytest.mark.parametrize(
    ("name", "infiniband_bytes_per_s", "usd_per_hour", "power_w", "datasheet_usd", "datasheet_w"),
    [
        ("DGX-A100", 200e9, 17.68, 10200 * 24.8 / 44, 17.6, 6500),
        ("DGX-A100-40GB", 200e9, 0.8 * 17.68, 10200 * 24.8 / 44, 0.8 * 17.6, 6500),
        ("DGX-H100", 400e9, 38.08, 10200, 38.0, 10200),
        ("DGX-H200", 400e9, 38.08 * 50.44 / 49.24, 10200, 38.0 * 50.44 / 49.24, 10200),
    ],
)
def test_machines(name, infiniband_bytes_per_s, usd_per_hour, power_w, datasheet_usd, datasheet_w):
    default, datasheet = machine(name), machine(name, price_set="datasheet")
    assert default.gpus == 8
    assert default.infiniband_bytes_per_s == infiniband_bytes_per_s
    assert default.usd_per_hour == pytest.approx(usd_per_hour, rel=1e-4)
    assert default.power_provisioned_w == pytest.approx(power_w, rel=1e-9)
    assert datasheet.usd_per_hour == pytest.approx(datasheet_usd, rel=1e-4)
    assert datasheet.power_provisioned_w == datasheet_w


def test_names():
    assert machine_names() == ["DGX-A100", "DGX-A100-40GB", "DGX-H100", "DGX-H200"]
    assert {"llama2-70b", "bloom-176b", "llama3-8b", "mistral-7b"} < set(model_names())
    assert [transformer(name).profile_row for name in ("llama2-70b", "bloom-176b")] == [0.0, 1.0]
    assert [
        transformer(name).simulator_weight_bytes
        for name in ("llama2-70b", "bloom-176b", "llama3-8b")
    ] == [135e9, 329e9, 0.0]


def test_machines_share_one_tree_structure_of_floats():
    machines = [machine(name) for name in machine_names()]
    assert len({jax.tree.structure(m) for m in machines}) == 1
    assert {type(leaf) for leaf in jax.tree.leaves(machines)} == {float}


def test_fitted_values_are_those_of_the_gpu_and_machine_it_is_like():
    h100, h200 = machine("DGX-H100"), machine("DGX-H200")
    assert h200.gpu.efficiency == h100.gpu.efficiency
    assert h200.host_time == h100.host_time
    assert machine("DGX-A100").gpu.efficiency != h100.gpu.efficiency


def test_a_spec_is_returned_as_it_is():
    dgx, llama = machine("DGX-A100"), transformer("llama3-8b")
    assert machine(dgx) is dgx
    assert transformer(llama) is llama


def test_machine_of_own(own):
    big = machine(own())
    assert big.label.value == "big"
    assert big.gpu.label.value == "B300"
    assert (big.gpus, big.usd_per_hour, big.power_provisioned_w) == (4.0, 60.0, 14000.0)
    assert (big.gpu.flop_per_s, big.gpu.hbm_bytes_per_s) == (2250e12, 8000e9)
    assert (big.gpu.hbm_bytes, big.infiniband_bytes_per_s) == (268 * GIB, 800e9)
    assert big.gpu.efficiency == machine("DGX-H100").gpu.efficiency
    assert machine(own(), price_set="spot").usd_per_hour == 20.0
    assert machine(f"{own()}#big").gpus == 4.0


def test_machine_of_own_with_a_gpu_of_the_catalogue(own):
    path = own('gpu = "B300"', 'gpu = "A100-80GB"')
    assert machine(path).gpu.flop_per_s == 312e12


def test_transformer_of_own(own):
    tiny = transformer(own())
    attention = 64 * 128 + 2 * 64 * 64 + 128 * 64
    mlp = 2 * 64 * 256 + 256 + 64
    assert tiny.parameters == 2 * (attention + mlp + 4 * 64) + 2 * 64 + 1000 * 64
    assert tiny.weight_bytes == tiny.parameters
    assert tiny.kv_bytes_per_token == 2 * 2 * 2 * 32 * 2
    assert (tiny.profile_row, tiny.label.value) == (-1.0, "tiny")


def test_head_dim_defaults_to_the_share_of_a_head(own):
    assert transformer(own("head_dim = 32", "")).head_dim == 64 / 4


def test_changes_of_a_file_are_seen(own):
    assert machine(own()).gpus == 4.0
    assert machine(own("gpus = 4", "gpus = 2")).gpus == 2.0


BAD_MACHINES = {
    "unknown field": ("gpus = 4", "gpuss = 4\ngpus = 4", r"machines\.big: field.*'gpuss'.*gpus"),
    "missing field": ("gpus = 4", "", r"machines\.big\.gpus: missing"),
    "zero": ("gpus = 4", "gpus = 0", r"machines\.big\.gpus: 0 is outside.*\(0, inf\)"),
    "negative": ("hbm_gib = 268", "hbm_gib = -1", r"gpus\.B300\.hbm_gib: -1 is outside"),
    "not finite": ("hbm_gib = 268", "hbm_gib = nan", r"gpus\.B300\.hbm_gib: nan is outside"),
    "too large": ("tdp_w = 1400", f"tdp_w = 1{'0' * 400}", r"gpus\.B300\.tdp_w: "),
    "not whole": ("gpus = 4", "gpus = 4.5", r"machines\.big\.gpus: 4\.5 is not a whole number"),
    "text for a number": ("gpus = 4", 'gpus = "4"', r"machines\.big\.gpus: '4' is not a number"),
    "flag for a number": ("gpus = 4", "gpus = true", r"machines\.big\.gpus: True is not a number"),
    "number for a text": ('like = "DGX-H100"', "like = 1", r"machines\.big\.like: unknown name 1"),
    "number for a source": ('"data sheet"', "1", r"hbm_gb_per_s\.source: 1 is not a text"),
    "value without source": (', source = "data sheet"', "", r"hbm_gb_per_s\.source: missing"),
    "field beside value": ("{ value = 8000", "{ unit = 1, value = 8000", r"hbm_gb_per_s.*'unit'"),
    "unknown gpu": ('gpu = "B300"', 'gpu = "B30"', r"big\.gpu: .*'B30'; did you mean B300"),
    "unknown like": ('like = "DGX-H100"', 'like = "DGX-H1"', r"did you mean DGX-H100"),
    "unknown profile": ("tdp_w", 'profile = "h200"\ntdp_w', r"profile: .*h100-80gb"),
    "unknown kind": ("[gpus.B300]", "[gpu.B300]", r"field: unknown name 'gpu'; did you mean gpus"),
    "price": ("usd_per_hour = 20", "usd_per_hour = 0", r"price_sets\.spot\.usd_per_hour: 0 is"),
    "price field": ("usd_per_hour = 20", "usd = 20", r"price_sets\.spot\.usd_per_hour: missing"),
    "no table": ("[gpus.B300]", "machines.x = 1\n[gpus.B300]", r"machines\.x: 1 is not a table"),
    "malformed": ("[gpus.B300]", "[gpus.B300", r"own\.toml: malformed TOML"),
    "no machine": ("[machines.big]", "[gpus.big]", r"own\.toml: has no \[machines\.NAME\] table"),
}


@pytest.mark.parametrize(("old", "new", "message"), BAD_MACHINES.values(), ids=BAD_MACHINES)
def test_bad_machine_file(own, old, new, message):
    path = own(old, new)
    with pytest.raises(InputError, match=message) as error:
        machine(path)
    assert str(error.value).startswith(path)


BAD_MODELS = {
    "unknown field": ("layers = 2", "layer = 2\nlayers = 2", r"models\.tiny: .*'layer'.*layers"),
    "missing field": ("layers = 2", "", r"models\.tiny\.layers: missing"),
    "missing flag": ("gated_mlp = false", "", r"models\.tiny\.gated_mlp: missing"),
    "negative": ("layers = 2", "layers = -2", r"models\.tiny\.layers: -2 is outside"),
    "not whole": ("layers = 2", "layers = 2.5", r"models\.tiny\.layers: 2\.5 is not a whole"),
    "no flag": ("gated_mlp = false", "gated_mlp = 0", r"gated_mlp: 0 is neither true nor false"),
    "unknown dtype": ('"bfloat16"', '"bf16"', r"dtype: .*'bf16'; did you mean bfloat16"),
    "unknown norm": ('"layer"', '"batch"', r"norm: unknown name 'batch'; .*layer, rms"),
    "unknown bias": ('["mlp"]', '["mpl"]', r"biases: .*'mpl'; did you mean mlp"),
    "no list": ('["mlp"]', '"mlp"', r"biases: 'mlp' is not a list"),
    "KV heads": ("kv_heads = 2", "kv_heads = 3", r"tiny: 3 KV heads; .* the 4 query heads"),
    "no head size": ("heads = 4\nkv_heads = 2\nhead_dim = 32", "heads = 5", r"5 heads do not div"),
}


@pytest.mark.parametrize(("old", "new", "message"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_bad_model_file(own, old, new, message):
    path = own(old, new)
    with pytest.raises(InputError, match=message) as error:
        transformer(path)
    assert str(error.value).startswith(path)


def test_unknown_names_offer_the_nearest():
    with pytest.raises(InputError, match=r"machine: .*'DGX-H10'; did you mean DGX-H100"):
        machine("DGX-H10")
    with pytest.raises(InputError, match=r"model: .*'bloom'; did you mean bloom-176b"):
        transformer("bloom")
    with pytest.raises(InputError, match=r"price_set: .*'datasheets'; did you mean datasheet"):
        machine("DGX-A100", price_set="datasheets")


def test_unknown_entry_of_a_file(own):
    path = own()
    with pytest.raises(InputError, match=r"own\.toml: machines: .*'bigg'; did you mean big"):
        machine(f"{path}#bigg")
    with pytest.raises(InputError, match=r"own\.toml: models: .*'tinny'; did you mean tiny"):
        transformer(f"{path}#tinny")


def test_several_entries_need_a_name(own):
    path = own("[models.tiny]", "[models.other]\n[models.tiny]")
    with pytest.raises(InputError, match=r'several models; add which one, as in ".*#other"'):
        transformer(path)
    assert transformer(f"{path}#tiny").layers == 2.0


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: cannot be read"):
        machine(tmp_path / "none.toml")


def test_file_that_is_not_text(tmp_path):
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml: cannot be read"):
        transformer(path)
