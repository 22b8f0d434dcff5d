"""What a power cap does to each phase: it lowers the clock until the draw fits.

Draw at clock f is idle + (1 − idle)·activity·fᵏ of TDP. Prefill is fully active; decode, which
waits for HBM, is not, so that a cap of 50% hardly touches it.

References:
    Patel et al., Splitwise, ISCA 2024, Figure 9 and Insight VI. The exponent k is set by one
    published point: capped at 0.7 of TDP, the authors' simulator prefills 1.3 times slower.
"""

from __future__ import annotations

import math

import jax.numpy as jnp

from splitmodel.units import Scalar

IDLE_SHARE = 0.292
"""Draw of an idle A100 over its TDP: intercept of the fit to the profile's average power."""
DECODE_ACTIVITY = 0.35
"""Dynamic draw of decode over that of prefill: the profile's mean decode draw is 0.54 of TDP."""
PUBLISHED_CAP, PUBLISHED_SLOWDOWN = 0.7, 1.3
CLOCK_EXPONENT = math.log((PUBLISHED_CAP - IDLE_SHARE) / (1.0 - IDLE_SHARE)) / -math.log(
    PUBLISHED_SLOWDOWN
)


def clock(power_cap: Scalar, activity: Scalar) -> Scalar:
    """Share of full clock at which the draw fits the cap, in (0, 1]; any one shape.

    Args:
        power_cap: cap as a fraction of TDP. At or below the idle draw nothing would fit; the
            clock then stays at a small floor, so that results remain finite.
        activity: dynamic draw at full clock over that of prefill.
    """
    dynamic = jnp.maximum((power_cap - IDLE_SHARE) / ((1.0 - IDLE_SHARE) * activity), 1e-3)
    return jnp.minimum(dynamic, 1.0) ** (1.0 / CLOCK_EXPONENT)
