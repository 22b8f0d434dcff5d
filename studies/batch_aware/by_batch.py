"""The authors' profile, read at the batch that it was measured with."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp

from splitmodel.iteration.instance import Instance
from splitmodel.iteration.interpolated_timing import Interpolated
from splitmodel.iteration.timing import Timing
from splitmodel.roofline.batch import Batch
from splitmodel.specs.semantics import SPLITWISE_SIM
from splitmodel.specs.transformer import Transformer
from splitmodel.units import Flag, Scalar
from splitmodel_studies.routes import Route

PROFILED_PROMPT_TOKENS = 512.0
"""Prompt of every configuration of the profile with a batch above one."""


class ReadByBatch(Timing):
    """As `Interpolated`, except that decode is read where the profile measured its batch.

    The curve's axis is prompt size × batch size, and batches were measured with prompts of 512
    tokens. A mixed iteration is at least as long as its decodes would take alone.
    """

    profile: Interpolated

    def iteration_s(self, batch: Batch, model: Transformer, instance: Instance) -> Scalar:
        """Time of one iteration [s]; see `Timing.iteration_s`."""
        none = jnp.zeros_like(batch.prefill_tokens)
        measured = PROFILED_PROMPT_TOKENS * batch.decoding_requests
        decode = replace(batch, prefill_tokens=none, decoding_requests=measured)
        decode_s = self.profile.iteration_s(decode, model, instance)
        mixed_s = self.profile.iteration_s(batch, model, instance)
        mixed_s = jnp.where(batch.decoding_requests > 0.0, jnp.maximum(mixed_s, decode_s), mixed_s)
        return jnp.where(batch.prefill_tokens > 0.0, mixed_s, decode_s)

    def known(self, model: Transformer, instance: Instance) -> Flag:
        """What the profile holds."""
        return self.profile.known(model, instance)


BY_BATCH = Route(
    "splitwise-sim, decode by batch",
    # The slowdowns' denominator is a batch of one, which the profile's curve has at 512 tokens.
    replace(SPLITWISE_SIM, name="splitwise-sim, decode by batch", reference_decode_at_prompt=False),
    ReadByBatch(Interpolated(mixed_factor=SPLITWISE_SIM.mixed_factor or 0.0)),
    independent=True,
)
"""The authors' simulator with this one change."""
