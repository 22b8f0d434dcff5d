"""Draw of a GPU by what it uses, fitted on the A100 rows of the published profile.

References:
    Patel et al., Splitwise, ISCA 2024, Figures 8 and 9 (power, and what a cap does).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pandas as pd

from splitmodel.iteration.instance import make_instance
from splitmodel.iteration.power import decode_share, prefill_share
from splitmodel.parameters.efficiency import PowerUse
from splitmodel.roofline.batch import decode_batch, prefill_batch
from splitmodel.specs.catalogue import transformer
from splitmodel.specs.hardware import Machine
from splitmodel.specs.leaves import as_arrays
from splitmodel_calibration.datasets.splitwise import configurations
from splitmodel_calibration.fit.problem import robust

MEASURED = "a100-80gb"
"""The only GPU of the profile whose power was measured."""
STOPPED_BELOW = 0.2
"""Averages below this share of TDP, less than an idle GPU draws, are of requests that stopped."""
PUBLISHED_CAP, PUBLISHED_SLOWDOWN = 0.7, 1.3
"""Capped at 0.7 of TDP, the authors' simulator prefills 1.3 times slower."""
_SMALL = 0.03
"""Relative errors beyond this count by their size, not by their square."""
_FITTED = (
    "idle",
    "decode_per_bandwidth_use",
    "decode_per_compute_use",
    "prefill_base",
    "prefill_per_compute_use",
    "prefill_most",
)


class PowerFit(NamedTuple):
    """Draw of the A100 and how well it describes what was measured."""

    power: PowerUse
    average_error: float
    """Mean relative error of the average draw during a request, which is nearly all decode."""
    peak_error: float
    """Mean relative error of the highest draw, that of prefill."""
    notes: tuple[str, ...]


def fit_power(fitted: Machine) -> PowerFit:
    """Coefficients of the draw.

    Args:
        fitted: DGX-A100 with the efficiencies and host time to evaluate prefill with.
    """
    table = configurations()
    table = table[(table.gpu == MEASURED) & (table.average_power > 0.0)].reset_index(drop=True)
    rows = [_row(fitted, each) for _, each in table.iterrows()]
    rows = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
    average, peak = (jnp.asarray(table[f"{name}_power"].to_numpy()) for name in ("average", "peak"))
    lasted = average > STOPPED_BELOW
    start = as_arrays(dict(zip(_FITTED, (0.3, 0.7, 2.0, 0.3, 0.8, 1.0), strict=True)))

    def errors(logs: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        values = jax.tree.map(jnp.exp, logs)

        def shares(row: tuple) -> tuple[jax.Array, jax.Array]:
            server, model, tp, prefill, decode, decode_s = row
            gpu = server.gpu
            power = PowerUse(
                **values,
                decode_activity=gpu.power.decode_activity,
                clock_exponent=gpu.power.clock_exponent,
            )
            server = replace(server, gpu=replace(gpu, power=power))
            one = jnp.ones_like(tp)
            # Uncapped, and a share above one is let pass: draws were measured above TDP.
            instance = make_instance(server, model, tp, one, 2.0 * one, "splitwise-2023")
            return (
                decode_share(decode, model, instance, decode_s),
                prefill_share(prefill, model, instance),
            )

        modelled_average, modelled_peak = jax.vmap(shares)(rows)
        return jnp.where(lasted, modelled_average / average - 1.0, 0.0), modelled_peak / peak - 1.0

    def residuals(logs: dict[str, jax.Array], _: None) -> jax.Array:
        return robust(jnp.concatenate(errors(logs)) / _SMALL, 1.0)

    found = optimistix.least_squares(
        residuals,
        optimistix.LevenbergMarquardt(rtol=1e-5, atol=1e-5),
        jax.tree.map(jnp.log, start),
        max_steps=500,
    ).value
    off_average, off_peak = (np.abs(np.asarray(each)) for each in errors(found))
    values = {name: float(jnp.exp(value)) for name, value in found.items()}
    idle = values["idle"]
    kept = np.asarray(lasted)
    mean_decode = float(np.asarray(average)[kept].mean())
    exponent = math.log((PUBLISHED_CAP - idle) / (1.0 - idle)) / -math.log(PUBLISHED_SLOWDOWN)
    return PowerFit(
        PowerUse(
            **values,
            decode_activity=(mean_decode - idle) / (1.0 - idle),
            clock_exponent=exponent,
        ),
        float(off_average[kept].mean()),
        float(off_peak.mean()),
        (
            f"{len(table)} configurations of {MEASURED}, the only GPU whose power was measured; "
            f"of the averages {np.sum(~kept)} are left out: below {STOPPED_BELOW} of TDP, those "
            "requests stopped early",
            f"decode_activity is set by the mean decode draw, {mean_decode:.3f} of TDP; "
            f"clock_exponent by prefill's {PUBLISHED_SLOWDOWN} times at a cap of {PUBLISHED_CAP}, "
            "as the authors' simulator has it",
        ),
    )


def _row(fitted: Machine, row: pd.Series) -> tuple:
    prompt, batch = float(row.prompt_tokens), float(row.batch_size)
    return as_arrays(
        (
            fitted,
            transformer(row.model),
            float(row.tensor_parallel),
            prefill_batch(np.float64(prompt), np.float64(batch)),
            decode_batch(np.float64(batch), np.float64(prompt)),
            float(row.decode_s),
        )
    )
