"""`sm.metrics` compiled once for all tests of a process: that takes longer than most of them."""

from collections import Counter
from functools import partial

import jax

import splitmodel as sm

TRACES: Counter[str] = Counter()
"""How often each of METRICS was traced."""


def _traced(semantics, cluster, load, model):
    TRACES[semantics] += 1
    return sm.metrics(cluster, load, model, semantics=semantics)


METRICS = {name: jax.jit(partial(_traced, name)) for name in ("physical", "splitwise-sim")}
"""By semantics, of a cluster, a load and a model."""
