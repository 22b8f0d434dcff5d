"""Iteration time of any batch by name of model and machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from splitmodel.errors import InputError, check_choice, check_range
from splitmodel.iteration.choose import check_stack, choose_timing
from splitmodel.iteration.instance import FITTED_STACK, Instance, make_instance
from splitmodel.iteration.memory import kv_capacity_bytes
from splitmodel.iteration.roofline_timing import Roofline
from splitmodel.iteration.timing import Timing
from splitmodel.parameters.profile import TENSOR_PARALLEL
from splitmodel.roofline.batch import Batch, decode_batch, mixed_batch, prefill_batch
from splitmodel.specs.calibrated import (
    calibrated,
    chosen_calibration,
    log_covariance,
    off_by,
    origin,
)
from splitmodel.specs.catalogue import machine as catalogue_machine
from splitmodel.specs.catalogue import transformer
from splitmodel.specs.hardware import Machine
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.semantics import Semantics, resolve_semantics
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Flag, Number, Scalar

PHASES = ("prefill", "decode", "mixed")


def iteration_time(
    phase: str,
    *,
    model: str | Transformer,
    machine: str | Machine,
    tensor_parallel: Number = 8,
    pipeline_parallel: Number = 1,
    batch_size: Number = 1,
    prompt_tokens: Number | None = None,
    context_tokens: Number | None = None,
    prompts: Number = 1,
    power_cap: Number = 1.0,
    timing: str | Timing | None = None,
    semantics: str | Semantics = "physical",
    stack: str | None = None,
    calibration: str | Path | None = None,
    interval: float | None = None,
) -> Any:
    """Time of one iteration [s]; array arguments broadcast, and so does the result.

    Args:
        phase: "prefill" computes `batch_size` prompts of `prompt_tokens`; "decode" generates one
            token for `batch_size` requests of `context_tokens`; "mixed" does both at once, with
            `prompts` prompts.
        model: name, file or `Transformer`.
        machine: name, file or `Machine`.
        tensor_parallel: GPUs that share each layer; must divide the query heads.
        pipeline_parallel: stages that share the layers.
        batch_size: requests, as above.
        prompt_tokens: tokens of each prompt [tokens].
        context_tokens: KV-cache tokens that each decoding request reads [tokens].
        prompts: prompts of a mixed iteration.
        power_cap: cap as a fraction of the GPUs' TDP, in (0, 1].
        timing: "roofline", "interpolated" or a `Timing`.
        semantics: "physical" or "splitwise-sim".
        stack: "splitwise-2023" or "graphs"; with a calibration its own.
        calibration: file with parameters of one's own, as `splitmodel calibrate` writes it.
        interval: probability, in (0, 1), of an interval to give with the time.

    Returns:
        The time, an array; with an interval a Dataset of `iteration_time_s`,
        `iteration_time_s_low` and `iteration_time_s_high`, whose attribute `calibration` is
        "prior" where GPU or machine have no fit of their own.

    Raises:
        InputError: for an unknown name, a value out of range, a model that does not fit, an
            interpolated timing that the published profile does not hold or of which an interval
            is asked, or a file that is no calibration of this machine.
    """
    check_choice("phase", phase, PHASES)
    check_stack(stack)
    bundle = resolve_semantics(semantics)
    named = catalogue_machine(machine)
    chosen_fit = chosen_calibration(calibration, [named])
    if calibration is not None:
        stack = stack or FITTED_STACK
        named = calibrated(named, chosen_fit)
    spec, server = as_arrays((transformer(model), named))
    numbers = {
        "tensor_parallel": check_range("tensor_parallel", tensor_parallel),
        "pipeline_parallel": check_range("pipeline_parallel", pipeline_parallel),
        "batch_size": check_range("batch_size", batch_size),
        "prompts": check_range("prompts", prompts),
        "power_cap": check_range("power_cap", power_cap, high=1.0),
    }
    for name, value, user in (
        ("prompt_tokens", prompt_tokens, phase != "decode"),
        ("context_tokens", context_tokens, phase != "prefill"),
    ):
        if user and value is None:
            raise InputError(f"{name}: a {phase} iteration needs it")
        numbers[name] = check_range(name, 1.0 if value is None else value)
    names = list(numbers)
    arrays = np.broadcast_arrays(*(np.asarray(numbers[name], dtype=float) for name in names))
    given = as_arrays(dict(zip(names, arrays, strict=True)))
    chosen = choose_timing(timing, bundle)
    if interval is not None:
        check_interval(interval, chosen)
    check_hosted(spec, _instance(given, spec, server, stack), bundle)
    flat = {name: value.ravel() for name, value in given.items()}
    times_s, known = _times_s(flat, spec, server, chosen, phase, stack)
    if not known.all():
        raise unprofiled(spec, server, given["tensor_parallel"])
    times_s = times_s.reshape(arrays[0].shape)
    if interval is None:
        return times_s
    fields, covariance = log_covariance([named], chosen_fit)
    slopes = _log_slopes(tuple(fields), flat, spec, server, chosen, phase, stack)
    slopes = np.asarray(slopes, np.float64)
    variance = np.einsum("ip,ij,jp->p", slopes, covariance[0, :, 0], slopes)
    half_width = NormalDist().inv_cdf(0.5 + 0.5 * interval) * np.sqrt(variance)
    spread = np.exp(half_width).reshape(times_s.shape)
    dims = tuple(f"axis_{place}" for place in range(times_s.ndim))
    values = {"": times_s, "_low": times_s / spread, "_high": times_s * spread}
    return xr.Dataset(
        {
            f"iteration_time_s{suffix}": (dims, np.asarray(value), {"units": "s"})
            for suffix, value in values.items()
        },
        attrs={"interval": interval, "calibration": origin([named], chosen_fit)},
    )


def check_interval(interval: float, timing: Timing) -> None:
    """Raise InputError unless an interval of this probability can be had of the timing."""
    check_range("interval", interval, high=1.0)
    if interval == 1.0:
        raise InputError("interval: 1.0 is not below 1; 0.9 is usual")
    if not isinstance(timing, Roofline):
        raise InputError(
            f'interval: timing "{type(timing).__name__.lower()}" has no fitted parameters; use '
            'timing="roofline"'
        )


@partial(jax.jit, static_argnames=("fields", "phase", "stack"))
def _log_slopes(
    fields: tuple[str, ...],
    flat: dict[str, Scalar],
    model: Transformer,
    machine: Machine,
    timing: Timing,
    phase: str,
    stack: str | None,
) -> jax.Array:
    """Derivative of the logarithm of every time by each factor, shape [fields, iterations]."""

    def log_times(factors: Scalar) -> Scalar:
        off = off_by(machine, dict(zip(fields, factors, strict=True)))
        return jnp.log(_times_s(flat, model, off, timing, phase, stack)[0])

    return jax.jacfwd(log_times)(jnp.zeros(len(fields))).T


@partial(jax.jit, static_argnames=("phase", "stack"))
def _times_s(
    flat: dict[str, Scalar],
    model: Transformer,
    machine: Machine,
    timing: Timing,
    phase: str,
    stack: str | None,
) -> tuple[jax.Array, jax.Array]:
    """Times of many iterations [s] and whether the timing knows them, shape [iterations]."""

    def one(given: dict[str, Scalar]) -> tuple[Scalar, Flag]:
        instance = _instance(given, model, machine, stack)
        return (
            timing.iteration_s(_batch(phase, given), model, instance),
            timing.known(model, instance),
        )

    return jax.vmap(one)(flat)


def _instance(
    given: dict[str, Scalar], model: Transformer, machine: Machine, stack: str | None
) -> Instance:
    return make_instance(
        machine,
        model,
        given["tensor_parallel"],
        given["pipeline_parallel"],
        given["power_cap"],
        stack,
    )


def _batch(phase: str, given: dict[str, Scalar]) -> Batch:
    if phase == "prefill":
        return prefill_batch(given["prompt_tokens"], given["batch_size"])
    decode = decode_batch(given["batch_size"], given["context_tokens"])
    if phase == "decode":
        return decode
    return mixed_batch(prefill_batch(given["prompt_tokens"], given["prompts"]), decode)


def check_heads(model: Transformer, tensor_parallel: Scalar) -> None:
    """Raise InputError where the GPUs that share a layer cannot share its query heads evenly."""
    heads, parts = np.asarray(model.heads), np.asarray(tensor_parallel)
    if (np.mod(heads, parts) != 0).any():
        raise InputError(
            f"tensor_parallel: {parts.max():g} does not divide the {heads:g} query heads of "
            f"{model.label.value}"
        )


def check_hosted(model: Transformer, instance: Instance, semantics: Semantics) -> None:
    """Raise InputError, with what would help, where an instance cannot hold the model."""
    check_heads(model, instance.tensor_parallel)
    label = instance.machine.label.value
    needed, gpus = np.asarray(instance.gpus), np.asarray(instance.machine.gpus)
    if (needed > gpus).any():
        raise InputError(
            f"tensor_parallel: with pipeline_parallel it asks for {needed.max():g} GPUs, but "
            f"{label} has {gpus:g}"
        )
    capacity_bytes = np.asarray(kv_capacity_bytes(instance, model, semantics))
    if (capacity_bytes <= 0).any():
        raise InputError(
            f"model: {model.label.value} does not fit {label}: its weights exceed the memory by "
            f"{-capacity_bytes.min() / 1e9:.0f} GB; use more GPUs (tensor_parallel, "
            "pipeline_parallel) or a larger machine"
        )


def unprofiled(model: Transformer, machine: Machine, tensor_parallel: Scalar) -> InputError:
    """The error for an interpolated timing that the published profile does not hold."""
    return InputError(
        f"timing: the published profile does not hold {model.label.value} on "
        f"{machine.label.value} with tensor_parallel={np.max(tensor_parallel):g}; it has "
        f"llama2-70b at {TENSOR_PARALLEL} and bloom-176b at 8 on DGX-A100 and DGX-H100; use "
        'timing="roofline"'
    )
