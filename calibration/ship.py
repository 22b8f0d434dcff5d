"""Fit the parameters that ship with the library to the published Splitwise profile.

Run as `python -m splitmodel_calibration.ship`; it rewrites `splitmodel/parameters/fitted.toml`.
"""

from __future__ import annotations

import jax

from splitmodel.parameters.calibration import SHIPPED
from splitmodel.specs.leaves import as_arrays
from splitmodel_calibration.datasets.splitwise import splitwise_profile
from splitmodel_calibration.evaluation.errors import in_sample_errors
from splitmodel_calibration.fit.fit import fit
from splitmodel_calibration.fit.priors import priors
from splitmodel_calibration.fit.problem import make_problem
from splitmodel_calibration.fit.uncertainty import uncertainty
from splitmodel_calibration.power import fit_power
from splitmodel_calibration.write import write_calibration


def main() -> None:
    """Rewrite the shipped parameters."""
    jax.config.update("jax_enable_x64", True)
    measured = splitwise_profile()
    found = fit(make_problem(measured.rows, priors()), progress=True)
    if not found.converged:
        raise SystemExit(f"not converged: slope {found.slope:.1e}, {found.reached} starts agree")
    machines = found.problem.with_parameters(as_arrays(found.log_parameters))
    a100 = jax.tree.map(lambda leaf: leaf[0], machines)
    power = fit_power(a100)
    provenance = {
        "data": measured.source,
        "sha256": measured.sha256,
        "rows": len(measured.rows),
        "notes": [*measured.notes, *power.notes],
        "mean_errors": in_sample_errors(found, measured.rows)
        | {
            "average_power": round(power.average_error, 4),
            "peak_power": round(power.peak_error, 4),
        },
    }
    write_calibration(
        SHIPPED, found, uncertainty(found), provenance, power={"A100-80GB": power.power}
    )


if __name__ == "__main__":
    main()
