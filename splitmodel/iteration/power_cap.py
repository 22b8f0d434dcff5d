"""What a power cap does to each phase: it lowers the clock until the draw fits.

Draw at clock f is idle + (1 − idle)·activity·fᵏ of TDP. Prefill is fully active; decode, which
waits for HBM, is not, so that a cap of 50% hardly touches it.

References:
    Patel et al., Splitwise, ISCA 2024, Figure 9 and Insight VI.
"""

from __future__ import annotations

import jax.numpy as jnp

from splitmodel.parameters.efficiency import PowerUse
from splitmodel.units import Scalar


def clock(power_cap: Scalar, activity: Scalar, power: PowerUse) -> Scalar:
    """Share of full clock at which the draw fits the cap, in (0, 1]; shapes broadcast.

    Args:
        power_cap: cap as a fraction of TDP. At or below the idle draw nothing would fit; the
            clock then stays at a small floor, so that results remain finite.
        activity: dynamic draw at full clock over that of prefill.
        power: fitted draw of the GPU.
    """
    dynamic = jnp.maximum((power_cap - power.idle) / ((1.0 - power.idle) * activity), 1e-3)
    return jnp.minimum(dynamic, 1.0) ** (1.0 / power.clock_exponent)
