"""Iteration time read off the published profile, piecewise linear, as the authors' simulator does.

References:
    github.com/Mutinifni/splitwise-sim, commit 8f99e7dc9b40, its performance model: medians by
    x = prompt size × batch size, linear between knots and beyond the outer ones.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from splitmodel.iteration.instance import Instance
from splitmodel.iteration.power_cap import clock
from splitmodel.iteration.timing import Timing
from splitmodel.parameters.profile import TENSOR_PARALLEL, published_profile
from splitmodel.roofline.batch import Batch
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Flag, Scalar


class Interpolated(Timing):
    """Curves through the profile's medians.

    Decode is read at x = number of decoding requests although the curve is built over batched
    prompt tokens: that is what the authors' simulator does. A power cap slows prefill only.
    """

    mixed_factor: Scalar = 0.0
    """Mixed iteration over prefill of as many tokens; 0 takes the slower of the two phases."""

    def iteration_s(self, batch: Batch, model: Transformer, instance: Instance) -> Scalar:
        """Time of one iteration [s]; see `Timing.iteration_s`."""
        prefill_curve, decode_curve = _curves(model, instance)
        full_clock = clock(instance.power_cap, 1.0, instance.machine.gpu.power)
        prefill_s = _piecewise_linear(batch.tokens, prefill_curve) / full_clock
        decode_s = _piecewise_linear(batch.decoding_requests, decode_curve)
        mixed_s = jnp.where(
            self.mixed_factor > 0.0,
            self.mixed_factor * prefill_s,
            jnp.maximum(prefill_s, decode_s),
        )
        mixed_s = jnp.where(batch.decoding_requests > 0.0, mixed_s, prefill_s)
        return jnp.where(batch.prefill_tokens > 0.0, mixed_s, decode_s)

    @jax.jit
    def known(self, model: Transformer, instance: Instance) -> Flag:
        """Whether the profile holds this model on this GPU with this parallelism."""
        measured = np.isfinite(published_profile().prefill_s).all(axis=-1)
        return (
            jnp.asarray(measured)[_row(model, instance)]
            & (model.profile_row >= 0.0)
            & (instance.machine.gpu.profile_row >= 0.0)
            & _tensor_parallel_matches(instance).any()
            & (instance.pipeline_parallel == 1.0)
        )


def _tensor_parallel_matches(instance: Instance) -> jax.Array:
    return jnp.asarray(TENSOR_PARALLEL, dtype=float) == instance.tensor_parallel


def _row(model: Transformer, instance: Instance) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Indices of the profile's (model, GPU, TP); unknown ones point somewhere, see `known`."""
    return (
        jnp.asarray(model.profile_row).astype(int),
        jnp.asarray(instance.machine.gpu.profile_row).astype(int),
        jnp.argmax(_tensor_parallel_matches(instance)),
    )


def _curves(model: Transformer, instance: Instance) -> tuple[jax.Array, jax.Array]:
    """Prefill and decode times at the knots [s], each shape [knots]; 1 s where not measured."""
    profile = published_profile()
    both = np.nan_to_num(np.stack([profile.prefill_s, profile.decode_s], axis=-2), nan=1.0)
    prefill_s, decode_s = jnp.asarray(both, dtype=float)[_row(model, instance)]
    return prefill_s, decode_s


def _piecewise_linear(x: Scalar, curve: jax.Array) -> jax.Array:
    """Through (knots, curve), extrapolating the outer segments; shape of `x`.

    Where a falling last segment would extrapolate below zero, a microsecond stands instead.
    """
    knots = published_profile().batched_tokens
    x = jnp.asarray(x, dtype=float)
    slopes = jnp.diff(curve) / jnp.asarray(np.diff(knots), dtype=float)
    segment = sum((x >= knot).astype(int) for knot in knots[1:-1])
    left = jnp.asarray(knots, dtype=float)[segment]
    return jnp.maximum(curve[segment] + slopes[segment] * (x - left), 1e-6)
