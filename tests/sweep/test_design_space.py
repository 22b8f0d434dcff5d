"""Design spaces: what they contain, their TOML, and every bad input."""

import numpy as np
import pytest

from splitmodel.errors import InputError
from splitmodel.specs.workload import Workload
from splitmodel.sweep.design_space import DesignSpace
from splitmodel.sweep.lattice import Lattice

SPLIT = {"design": ["AA", "HA"], "prompt": range(1, 4), "token": [2, 5]}
BASELINES = {"design": ["baseline-A100", "baseline-H100"], "machines": [10, 20]}


def rows_of(space: DesignSpace) -> list[tuple[float, ...]]:
    lattice = Lattice(space.kinds(None), block_rows=1)
    return [*zip(*lattice.columns(np.arange(lattice.size)).values(), strict=True)]


def test_a_product_holds_every_combination_in_the_order_of_its_axes():
    space = DesignSpace(**SPLIT, rate_rps=[3.0, 4.0], power_cap=[0.5, 1.0])
    assert list(space.axes) == ["design", "power_cap", "prompt", "token", "rate_rps"]
    assert space.is_product and len(space) == 2 * 2 * 3 * 2 * 2
    labels = [tuple(kind.labels.values()) for kind in space.kinds(None)]
    assert labels == [("AA", 0.5), ("AA", 1.0), ("HA", 0.5), ("HA", 1.0)]
    assert rows_of(space)[:5] == [
        (1.0, 2.0, 0.0, 3.0),
        (1.0, 2.0, 0.0, 4.0),
        (1.0, 5.0, 0.0, 3.0),
        (1.0, 5.0, 0.0, 4.0),
        (2.0, 2.0, 0.0, 3.0),
    ]


def test_machines_of_a_file_are_read_anew_each_time(tmp_path):
    path = tmp_path / "own.toml"

    def write(price: float) -> None:
        path.write_text(
            '[machines.big]\ngpu = "H100-80GB"\nlike = "DGX-H100"\ngpus = 8\n'
            "infiniband_gb_per_s = 400\n"
            f"price_sets.default = {{ usd_per_hour = {price}, power_provisioned_w = 9000 }}\n"
        )

    write(50.0)
    space = DesignSpace(design=[f"baseline-{path}", "baseline-H100"], machines=1)
    before = [kind.cluster.mixed.machine.usd_per_hour for kind in space.kinds(None)]
    write(60.0)
    after = [kind.cluster.mixed.machine.usd_per_hour for kind in space.kinds(None)]
    assert before == [50.0, after[1]] and after[0] == 60.0


def test_a_single_value_is_an_axis_of_one():
    space = DesignSpace(design="AA", prompt=25, token=np.int64(26), mixed_pool=False)
    assert space.axes == {
        "design": ("AA",),
        "mixed_pool": (False,),
        "prompt": (25,),
        "token": (26,),
    }


def test_each_kind_of_design_varies_along_its_own_axes():
    space = DesignSpace(
        design=["AA", "baseline-H100"],
        prompt=[1, 2],
        token=[1],
        machines=[7],
        kv_transfer=["auto", "none"],
        batching=["mixed", "request"],
    )
    assert not space.is_product
    assert [kind.labels for kind in space.kinds(None)] == [
        {"design": "AA", "kv_transfer": "auto"},
        {"design": "AA", "kv_transfer": "none"},
        {"design": "baseline-H100", "batching": "mixed"},
        {"design": "baseline-H100", "batching": "request"},
    ]
    assert len(space) == 2 * 2 + 2


@pytest.mark.parametrize(
    ("limit", "fitting"),
    [
        ({"max_machines": 69}, 0),
        ({"max_machines": 70}, 1),
        ({"max_usd_per_hour": 38.08 * 40}, 2),
        # 70 DGX-A100 provision as much power as 40 DGX-H100, equal but for rounding.
        ({"max_power_w": 40 * 10.2e3}, 1),
    ],
)
def test_limits_leave_out_what_exceeds_them(limit, fitting):
    space = DesignSpace(design="baseline-A100", machines=[40, 70, 86, 87], **limit)
    assert len(space) == 1 + fitting
    assert not space.is_product


def test_constraints_leave_out_what_does_not_fulfil_them():
    counts = {"design": "AA", "prompt": range(1, 8), "token": range(1, 8)}
    space = DesignSpace(**counts, constraints=["token <= 2 * prompt", "prompt + token == 8"])
    assert not space.is_product
    assert len(space) == len([p for p in range(1, 8) if 8 - p <= 2 * p])


def test_zipped_axes_vary_together():
    space = DesignSpace(
        design=["HA", "HH"],
        power_cap=[0.7, 1.0],
        prompt=[1, 2, 3],
        token=[4, 5, 6],
        rate_rps=[1.0, 2.0],
        zipped=[["prompt", "token"], ["design", "power_cap"]],
    )
    labels = [tuple(kind.labels.values()) for kind in space.kinds(None)]
    assert labels == [("HA", 0.7), ("HH", 1.0)]
    assert len(space) == 2 * 3 * 2
    assert {row[:2] for row in rows_of(space)} == {(1, 4), (2, 5), (3, 6)}


def test_counts_zipped_with_hardware_are_those_of_each_kind():
    space = DesignSpace(
        design="AA",
        tensor_parallel=[4, 8],
        prompt=[10, 20],
        token=[1, 2],
        zipped=[["prompt", "tensor_parallel"]],
    )
    assert [kind.labels["tensor_parallel"] for kind in space.kinds(None)] == [4, 8]
    assert [row[:2] for row in rows_of(space)] == [(10, 1), (10, 2), (20, 1), (20, 2)]


def test_pools_have_caps_of_their_own():
    space = DesignSpace(
        design=["DGX-H100+DGX-H200", "baseline-H100"],
        prompt=1,
        token=1,
        machines=1,
        power_cap=0.9,
        token_power_cap=[0.5, 0.7],
        max_batch_size=[16, 64],
    )
    caps = [[pool.power_cap for pool in kind.cluster.pools[:2]] for kind in space.kinds(None)]
    assert caps == [[0.9, 0.5]] * 2 + [[0.9, 0.7]] * 2 + [[0.9, 0.9]] * 2
    assert [kind.cluster.max_batch_size for kind in space.kinds(None)] == [16.0, 64.0] * 3


def test_limits_take_what_cannot_fit_off_the_axes():
    space = DesignSpace(design="AA", prompt=range(1, 1001), token=range(1, 1001), max_machines=10)
    (kind,) = space.kinds(None)
    assert kind.lengths[:2] == [9, 9]
    assert len(space) == 45


def test_too_many_kinds_are_refused():
    caps = np.linspace(0.5, 1.0, 400)
    with pytest.raises(InputError, match="space: 160,000 kinds of hardware of design AA"):
        DesignSpace(**SPLIT, prompt_power_cap=caps, token_power_cap=caps)


def test_workloads_are_an_axis():
    space = DesignSpace(**SPLIT, workload=["conv", "0.5 conv + 0.5 code"])
    load = Workload.azure("conv", rate_rps=3.0)
    one, other = (kind.load for kind in space.kinds(load)[:2])
    np.testing.assert_array_equal(one.weight, load.weight)
    assert load.mean_tokens("prompt") < other.mean_tokens("prompt")
    assert rows_of(space)[0][-1] == 1.0


@pytest.mark.parametrize(
    "space",
    [
        DesignSpace(**SPLIT),
        DesignSpace(
            **SPLIT,
            rate_rps=np.geomspace(1.0, 300.0, 7),
            workload=["conv", "0.7 conv + 0.3 code"],
            zipped=[["design", "token"]],
            constraints=["token <= 2 * prompt"],
            max_batch_tokens=[1024, 2048],
        ),
        DesignSpace(**BASELINES, batching=["mixed", "request"], max_usd_per_hour=1e3),
        DesignSpace(
            design=["HHcap", "DGX-H200+DGX-A100"],
            prompt=[1, 2, 4],
            token=range(10, 71, 20),
            rate_rps=np.linspace(1.0, 2.0, 4),
            power_cap=[0.7, 1],
            tensor_parallel=[4, 8],
            pipeline_parallel=1,
            kv_transfer=["none", "auto"],
            mixed_pool=[True, False],
            max_power_w=4e5,
            max_machines=70,
        ),
    ],
    ids=["product", "everything new", "listed", "many"],
)
def test_toml_gives_the_same_space_back(space, tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(space.to_toml())
    assert DesignSpace.from_toml(path) == space


def test_ranges_in_toml_exclude_their_end(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(
        'design = "AA"\nprompt = { start = 1, stop = 4 }\ntoken = 2\n'
        "rate_rps = { start = 0.1, stop = 0.7, step = 0.2 }\n"
    )
    space = DesignSpace.from_toml(path)
    assert space.prompt == (1, 2, 3)
    np.testing.assert_allclose(space.rate_rps, [0.1, 0.3, 0.5])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({**SPLIT, "design": ["HHcpa"]}, "design: unknown name 'HHcpa'; did you mean HHcap"),
        ({**BASELINES, "design": "baseline-A10"}, "unknown name 'A10'; did you mean"),
        (
            {**SPLIT, "design": ["DGX-H100+DGX-A10"]},
            "unknown name 'DGX-A10'; did you mean DGX-A100",
        ),
        ({**SPLIT, "design": [3]}, "design: 3 is not a name"),
        ({**SPLIT, "design": []}, "design: empty"),
        ({**SPLIT, "prompt": range(0)}, "prompt: empty"),
        ({**SPLIT, "prompt": [0, 1]}, r"prompt: 0 is outside the allowed range \(0, inf\)"),
        ({**SPLIT, "token": [1.5]}, "token: 1.5 is not a whole number"),
        ({**SPLIT, "token": [True]}, "token: True is not a number"),
        ({**SPLIT, "token": "many"}, "token: 'many' is not a number"),
        ({**SPLIT, "prompt": [1, 1.0]}, "prompt: 1 is given more than once"),
        ({**SPLIT, "rate_rps": [1.0, np.nan]}, "rate_rps: nan is outside"),
        ({**SPLIT, "rate_rps": -1.0}, "rate_rps: -1 is outside"),
        ({**SPLIT, "power_cap": 1.5}, r"power_cap: 1.5 is outside the allowed range \(0, 1\]"),
        ({**SPLIT, "kv_transfer": "layer"}, "kv_transfer: unknown name 'layer'; did you mean"),
        ({**SPLIT, "mixed_pool": "yes"}, "mixed_pool: 'yes' is neither true nor false"),
        ({**SPLIT, "machines": 4}, "machines: none of the designs AA, HA has it"),
        ({**BASELINES, "mixed_pool": True}, "mixed_pool: none of the designs"),
        ({"design": "AA", "prompt": 1}, "token: missing; design AA needs it"),
        ({"design": "baseline-A100"}, "machines: missing; design baseline-A100 needs it"),
        ({**SPLIT, "max_machines": 2}, "max_machines: no configuration is within the limits"),
        ({**SPLIT, "max_power_w": 0}, "max_power_w: 0 is outside"),
        ({**SPLIT, "constraints": "token > 9"}, "constraints: no configuration fulfils"),
        ({**SPLIT, "constraints": "ttft_s > 9"}, "constraints: .* unknown name 'ttft_s'"),
        ({**SPLIT, "zipped": [["prompt", "token"]]}, "zipped: .* prompt has 3, token has 2"),
        ({**SPLIT, "zipped": [["prompt", "rate_rps"]]}, "zipped: rate_rps has no values"),
        ({**SPLIT, "zipped": [["prompt", "tokens"]]}, "unknown name 'tokens'; did you mean token"),
        ({**SPLIT, "workload": ["conv + code"]}, "workload: 'conv . code' is neither a name nor"),
        ({**SPLIT, "workload": ["0 conv + 1 code"]}, "workload: 0 is outside"),
    ],
)
def test_bad_spaces_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        DesignSpace(**given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'design = "AA"\nprompt = 1\ntoken = 1\nrate = 3',
            "unknown name 'rate'; did you mean rate_rps",
        ),
        ('design = "AB"\nprompt = 1\ntoken = 1', "space.toml: design: unknown name 'AB'"),
        (
            'design = "AA"\nprompt = { start = 3, stop = 3 }\ntoken = 1',
            "prompt: stop = 3 is not beyond",
        ),
        ('design = "AA"\nprompt = { stop = 3 }\ntoken = 1', "prompt.start: missing"),
        (
            'design = "AA"\nprompt = { start = 1, stop = 1e12 }\ntoken = 1',
            "prompt: 1e.12 values; an axis has at most 10,000,000",
        ),
        ('design = "AA"\nprompt = { start = 1, stop = 3, by = 1 }\ntoken = 1', "unknown name 'by'"),
        (
            'design = "AA"\nprompt = { from = 3, to = 1, points = 3 }\ntoken = 1',
            "prompt: from = 3, to = 1, points = 3; it needs",
        ),
        (
            'design = "AA"\nprompt = { from = 1, to = 3, points = 3, spacing = "odd" }\ntoken = 1',
            "prompt.spacing: unknown name 'odd'",
        ),
        ('design = "AA', "malformed TOML"),
        ("prompt = 1", "design: missing"),
    ],
)
def test_bad_files_are_refused(text, message, tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        DesignSpace.from_toml(path)
