"""A fit of one machine to few measurements of one's own: what shipped is the prior."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from splitmodel.parameters.calibration import shipped
from splitmodel.specs.hardware import Machine
from splitmodel_calibration.fit.priors import Prior, priors

HOST_SD = 1.0
"""How far the host time of an unknown serving stack may be from that of the published profile, as
standard deviation of its logarithm: within a factor of three mostly."""


def own_priors(machine: Machine) -> Mapping[str, Prior]:
    """Priors of one machine's parameters: those that ship for it, or for the one it is like.

    A GPU under another stack may differ from the published one as one GPU does from the next.
    """
    fitted = shipped()
    efficiency = fitted.gpu_efficiency(str(machine.gpu.label.value), str(machine.gpu.like.value))
    host = fitted.host_time(str(machine.label.value), str(machine.like.value))
    sd = dict(zip(fitted.keys, np.sqrt(np.diag(fitted.covariance)), strict=True))
    found = {}
    for name, prior in priors().items():
        of_gpu = prior.kind == "gpu"
        entry = machine.gpu if of_gpu else machine
        own = f"{prior.kind}.{entry.label.value}.{name}"
        known = sd.get(own, sd[f"{prior.kind}.{entry.like.value}.{name}"])
        typical = getattr(efficiency if of_gpu else host, name)
        found[name] = Prior(prior.kind, typical, known if of_gpu else HOST_SD, prior.between)
    return found
