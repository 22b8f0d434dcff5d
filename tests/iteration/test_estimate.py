"""`iteration_time`: shapes, defaults and one clear line for each bad input."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import splitmodel as sm
from splitmodel.errors import InputError

NEEDED = {
    "prefill": {"prompt_tokens": 512.0},
    "decode": {"context_tokens": 600.0},
    "mixed": {"prompt_tokens": 512.0, "context_tokens": 600.0},
}


def seconds(phase, **given):
    """Time on DGX-H100 of llama2-70b, unless given otherwise."""
    named: dict[str, Any] = {"model": "llama2-70b", "machine": "DGX-H100"}
    return sm.iteration_time(phase, **named | given)


@pytest.mark.numerics
@pytest.mark.parametrize("timing", ["roofline", "interpolated"])
@pytest.mark.parametrize("phase", NEEDED)
def test_arguments_broadcast(phase, timing):
    """A grid of tensor parallelism × batch × cap × tokens has the times of its points."""
    tokens = {name: np.array([256.0, 700.0]) for name in NEEDED[phase]}
    grid = {
        "tensor_parallel": np.array([4, 8])[:, None, None, None],
        "batch_size": np.array([1, 9, 30])[:, None, None],
        "power_cap": np.array([0.6, 1.0])[:, None],
    }
    times_s = seconds(phase, timing=timing, **grid, **tokens)
    assert times_s.shape == (2, 3, 2, 2)
    assert times_s.dtype == jnp.asarray(1.0).dtype
    assert (np.asarray(times_s) > 0.0).all()
    for i, j, k, m in itertools.islice(np.ndindex(2, 3, 2, 2), 1, None, 11):
        point = {
            "tensor_parallel": int(grid["tensor_parallel"].ravel()[i]),
            "batch_size": int(grid["batch_size"].ravel()[j]),
            "power_cap": float(grid["power_cap"].ravel()[k]),
        }
        at = {name: float(values[m]) for name, values in tokens.items()}
        alone_s = seconds(phase, timing=timing, **point, **at)
        assert alone_s.shape == ()
        assert float(alone_s) == pytest.approx(float(times_s[i, j, k, m]), rel=1e-5)


def test_kinds_of_numbers_are_all_the_same():
    times_s = [
        float(seconds("prefill", prompt_tokens=tokens))
        for tokens in (512, 512.0, np.int32(512), np.float32(512.0), jnp.asarray(512))
    ]
    assert len(set(times_s)) == 1


@pytest.mark.parametrize("phase", NEEDED)
def test_defaults(phase):
    plain = seconds(phase, **NEEDED[phase])
    spelled = seconds(
        phase,
        model=sm.transformer("llama2-70b"),
        machine=sm.machine("DGX-H100"),
        tensor_parallel=8,
        pipeline_parallel=1,
        batch_size=1,
        power_cap=1.0,
        timing="roofline",
        stack="splitwise-2023",
        **NEEDED[phase],
    )
    assert float(plain) == float(spelled)
    interpolated = seconds(phase, timing="interpolated", **NEEDED[phase])
    simulator = seconds(phase, semantics="splitwise-sim", **NEEDED[phase])
    factor = {"prefill": 1.0, "decode": 1.0, "mixed": 1.1}[phase]
    assert float(simulator) == pytest.approx(factor * float(interpolated), rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 64])
@pytest.mark.parametrize("machine", ["DGX-A100", "DGX-H100"])
def test_captured_graphs_decode_faster(machine, batch_size):
    graphs, fitted = (
        float(
            seconds(
                "decode", machine=machine, batch_size=batch_size, context_tokens=1000, stack=stack
            )
        )
        for stack in ("graphs", "splitwise-2023")
    )
    assert graphs < 0.9 * fitted


@pytest.mark.parametrize("model", ["mistral-7b", "llama2-70b"])
def test_machines_beyond_the_profile_take_the_current_stack(model):
    default, graphs, fitted = (
        float(seconds("decode", model=model, machine="DGX-H200", context_tokens=1000, stack=stack))
        for stack in (None, "graphs", "splitwise-2023")
    )
    assert default == pytest.approx(graphs, rel=1e-5)
    assert default < 0.9 * fitted


def test_pipeline_stages_make_room():
    """BLOOM does not fit 4 GPUs, but 4 × 2."""
    given = {"model": "bloom-176b", "tensor_parallel": 4, "prompt_tokens": 9}
    with pytest.raises(InputError, match=r"bloom-176b does not fit DGX-H100"):
        seconds("prefill", **given)
    assert float(seconds("prefill", pipeline_parallel=2, **given)) > 0.0


BAD = {
    "phase": ({"phase": "prefil"}, r"phase: unknown name 'prefil'; did you mean prefill\?"),
    "model": ({"model": "llama2-7b"}, r"model: .*did you mean .*llama2-70b"),
    "machine": ({"machine": "DGX-H10"}, r"machine: .*did you mean .*DGX-H100"),
    "timing": ({"timing": "rofline"}, r"timing: .*did you mean roofline"),
    "stack": ({"stack": "splitwise"}, r"stack: .*did you mean splitwise-2023"),
    "semantics": ({"semantics": "physics"}, r"semantics: .*did you mean physical"),
    "heads": ({"tensor_parallel": 3}, r"tensor_parallel: 3 does not divide the 64 query heads"),
    "GPUs": ({"tensor_parallel": 16}, r"tensor_parallel: .*asks for 16 GPUs.*DGX-H100 has 8"),
    "stages": ({"pipeline_parallel": 2}, r"pipeline_parallel.*asks for 16 GPUs.*DGX-H100 has 8"),
    "fit": ({"tensor_parallel": 1}, r"llama2-70b does not fit DGX-H100"),
    "fit among many": ({"tensor_parallel": np.array([8, 1])}, r"does not fit DGX-H100.* 61 GB"),
    "no tokens": ({"prompt_tokens": None}, r"prompt_tokens: a prefill iteration needs it"),
    "zero": ({"prompt_tokens": 0}, r"prompt_tokens: 0 is outside the allowed range \(0, inf\)"),
    "negative": ({"batch_size": -1}, r"batch_size: -1 is outside"),
    "NaN": ({"prompt_tokens": np.array([9.0, np.nan])}, r"prompt_tokens: nan is outside"),
    "infinite": ({"prompt_tokens": np.inf}, r"prompt_tokens: inf is outside"),
    "cap": ({"power_cap": 1.1}, r"power_cap: 1.1 is outside the allowed range \(0, 1\]"),
    "no cap": ({"power_cap": 0.0}, r"power_cap: 0 is outside"),
    "no context": ({"phase": "decode"}, r"context_tokens: a decode iteration needs it"),
    "half a mix": ({"phase": "mixed"}, r"context_tokens: a mixed iteration needs it"),
    "unprofiled model": (
        {"timing": "interpolated", "model": "llama3-70b"},
        r"does not hold llama3",
    ),
    "unprofiled GPU": ({"timing": "interpolated", "machine": "DGX-H200"}, r"not hold .*DGX-H200"),
    "unprofiled stages": (
        {"timing": "interpolated", "tensor_parallel": 4, "pipeline_parallel": 2},
        r"timing: the published profile does not hold llama2-70b",
    ),
}


@pytest.mark.parametrize(("changed", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_line(changed, message):
    given = {"phase": "prefill", "prompt_tokens": 512} | changed
    with pytest.raises(InputError, match=message) as raised:
        seconds(**given)
    assert "\n" not in str(raised.value)
