"""A fingerprint changes with whatever a computation depends on, and with nothing else."""

import functools
import json
from typing import Any

import jax
import numpy as np
import pytest

from splitmodel.programs.fingerprint import NoFingerprintError, fingerprint

# Tests check types of every call, and what does is code of others.
PRINTS = """
import json
from importlib import import_module
import jax
import splitmodel as sm
import splitmodel.roofline.bound
from splitmodel.evaluate import prepare
from splitmodel.programs.fingerprint import NoFingerprintError, fingerprint
from splitmodel.specs.leaves import as_arrays
from splitmodel.sweep.kernel import of_rows
from splitmodel.sweep.packing import Structure

def asked(design="HH", prompt=2, rate_rps=1.0, workload="conv", semantics="physical"):
    cluster = sm.Cluster.splitwise(design, prompt=prompt, token=2)
    load = sm.Workload.azure(workload, rate_rps=rate_rps)
    question = prepare([cluster], "llama2-70b", "splitwise", timing=None, semantics=semantics,
                       stack=None, reference=None, tier="analytic")
    return of_rows(*map(Structure.of, (question, cluster, load)))

found = {"plain": fingerprint(asked())}
found["values"] = fingerprint(asked("HA", 3, 2.0, "code"))
found["semantics"] = fingerprint(asked(semantics="splitwise-sim"))
with jax.enable_x64(True):
    found["x64"] = fingerprint(asked())

def other(owner, name, value):
    owner = import_module(f"splitmodel.{owner}") if isinstance(owner, str) else owner
    before = getattr(owner, name)
    setattr(owner, name, value(before))
    try:
        found[name] = fingerprint(asked())
    except NoFingerprintError:
        found[name] = None
    setattr(owner, name, before)

other("queueing.percentile", "_STEPS", lambda steps: steps + 1)
other("queueing.percentile", "EXCEEDED", lambda shares: (*shares[:2], 0.02))
other("cluster.request_cells", "STATES", lambda states: (*states[:-1], 2.0 * states[-1]))
other(sm.Cluster, "usd_per_hour", lambda _: sm.Cluster.machines)
other("roofline.bound", "gpu_seconds", lambda before: splitmodel.roofline.bound.p_norm)
other("roofline.bound", "p_norm", lambda before: lambda *args: before(*args))
found["again"] = fingerprint(asked())
print(json.dumps(found))
"""


def test_of_a_sweep(printed):
    found = json.loads(printed(PRINTS, PYTHONHASHSEED="1"))
    plain = found.pop("plain")
    assert found.pop("again") == plain
    assert found.pop("values") == plain
    # A function from a script may change without notice.
    assert found.pop("p_norm") is None
    assert len({plain, *found.values()}) == 1 + len(found) == 8
    assert json.loads(printed(PRINTS, PYTHONHASHSEED="2"))["plain"] == plain


def adder(more) -> Any:
    return functools.partial(np.add, more)


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ({"a": 1.0}, {"a": 2.0}),
        ((1, 2), [1, 2]),
        (np.zeros(3), np.zeros(3, np.float32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (frozenset("ab"), frozenset("ac")),
        (adder(1.0), adder(2.0)),
        (np.add, np.subtract),
        (jax.tree.structure({"a": 1}), jax.tree.structure({"b": 1})),
        (jax.tree.structure({"a": 1}), jax.tree.structure({"a": (1,)})),
    ],
)
def test_of_data_and_libraries(one, another):
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(another)


def test_code_of_others_has_none():
    for foreign in (adder, functools.partial(adder, 1.0), [lambda: 0.0], pytest.Item):
        with pytest.raises(NoFingerprintError):
            fingerprint(foreign)
