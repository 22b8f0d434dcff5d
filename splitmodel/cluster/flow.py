"""What a pool model tells about the requests that flow through it."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp

from splitmodel.queueing.delay import exponential_third_s3
from splitmodel.units import Scalar

FULLEST = 0.999
"""Beyond this share of saturation times are those at it; the status tells."""


class Flow(eqx.Module):
    """Times of a request's stages, from which every latency percentile is composed.

    TTFT = wait, visit or rest + prefill; from there to the last token it takes
    transfer + join + steps · step + stalls, where steps = output tokens − 1.
    """

    saturation_rps: Scalar
    """Rate that the cluster can just sustain [requests/s]."""
    wait_share: Scalar
    """Share of the requests of each prompt cell that wait for prefill behind others, [cells]."""
    wait_mean_s: Scalar
    """Wait of these, with what their company adds to prefill, mean over each cell [s], [cells]."""
    wait_variance_s2: Scalar
    """Its variance [s²], [cells]."""
    wait_even_s2: Scalar
    """Part of that which is even around the mean, the rest being exponential [s²], [cells]."""
    visit_share: Scalar
    """Share of the requests of each prompt cell whose prefill goes to the other pool, [cells]."""
    visit_mean_s: Scalar
    """Time of these before prefill, with what that takes longer there, mean [s], [cells]."""
    visit_variance_s2: Scalar
    """Its variance [s²], [cells]."""
    rest_s: Scalar
    """Prefill of the others begins when a decode iteration ends: their wait for that is even from
    0 to this [s]."""
    prefill_edges_s: Scalar
    """Time from start of prefill to the first token, at the prompt cells' edges [s], [cells+1]."""
    transfer_edges_s: Scalar
    """Visible KV-transfer delay at the same edges, without a wait for links [s], [cells+1]."""
    join_s: Scalar
    """A request joins a decode batch when an iteration ends: likewise even from 0 to this [s]."""
    step_s: Scalar
    """Decode iteration without interruption [s]."""
    step_variance_s2: Scalar
    """Variance of a step, as the number that decode together changes [s²]."""
    step_spare_s: Scalar
    """What others add to a step, mean over requests [s]: no step is shorter by more than this."""
    stall_mean_s: Scalar
    """Interruption by prompts, mean per decode step [s]."""
    stall_variance_s2: Scalar
    """Its variance per step [s²]; steps add up independently."""
    stall_third_s3: Scalar
    """Third central moment of that [s³]."""
    stall_lasting_s2: Scalar
    """Variance of the mean stall per step of requests with many, as machines differ [s²]."""
    link_wait_mean_s: Scalar
    """Wait of KV transfers for each other that shows, mean over requests [s]."""
    token_wait_mean_s: Scalar
    """That, and the wait for a place in a decode batch, mean over requests [s]."""
    token_wait_variance_s2: Scalar
    batch: Scalar
    """Mean number of requests that decode together on one instance."""
    utilisation: Scalar
    """Busy share of time of the prompt, token and mixed pool, [3]."""
    prefilling: Scalar
    """Share of the mixed pool's busy time that goes to iterations with prompts."""

    @property
    def at_once_share(self) -> Scalar:
        """Share of the requests of each prompt cell that wait for an iteration at most, [cells]."""
        return jnp.maximum(1.0 - self.wait_share - self.visit_share, 0.0)

    @property
    def before_prefill_s(self) -> Scalar:
        """Mean time before prefill, over the requests of each prompt cell [s], [cells]."""
        waits_s = self.wait_share * self.wait_mean_s + self.visit_share * self.visit_mean_s
        return waits_s + self.at_once_share * 0.5 * self.rest_s

    @property
    def before_prefill_second_s2(self) -> Scalar:
        """Second moment of that [s²], [cells]."""
        waited_s2 = self.wait_variance_s2 + self.wait_mean_s**2
        visit_s2 = self.visit_variance_s2 + self.visit_mean_s**2
        waits_s2 = self.wait_share * waited_s2 + self.visit_share * visit_s2
        return waits_s2 + self.at_once_share * self.rest_s**2 / 3.0

    @property
    def before_prefill_third_s3(self) -> Scalar:
        """Third moment of that [s³], [cells]."""
        uneven_s2 = self.wait_variance_s2 - self.wait_even_s2
        waited_s3 = _third_s3(self.wait_mean_s, self.wait_variance_s2, uneven_s2)
        visit_s3 = _third_s3(self.visit_mean_s, self.visit_variance_s2, self.visit_variance_s2)
        waits_s3 = self.wait_share * waited_s3 + self.visit_share * visit_s3
        return waits_s3 + self.at_once_share * self.rest_s**3 / 4.0


def _third_s3(mean_s: Scalar, variance_s2: Scalar, exponential_s2: Scalar) -> Scalar:
    """Third moment of a time of which part of the variance is exponential, the rest even [s³]."""
    return exponential_third_s3(exponential_s2) + 3.0 * mean_s * variance_s2 + mean_s**3
