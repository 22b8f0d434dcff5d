"""A timing so simple that queues of it are known."""

import jax.numpy as jnp

from splitmodel.iteration.timing import Timing
from splitmodel.units import Scalar


class Linear(Timing):
    """Time of an iteration from its sums alone."""

    per_prompt_token_s: Scalar = 0.0
    per_iteration_s: Scalar = 0.0

    def iteration_s(self, batch, model, instance):
        return self.per_iteration_s + self.per_prompt_token_s * batch.prefill_tokens

    def known(self, model, instance):
        return jnp.asarray(True)
