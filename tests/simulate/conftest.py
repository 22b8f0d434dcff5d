"""Clusters of servers with simple timings, run without the wrapping of `evaluate`."""

import numpy as np
import pytest

from splitmodel.iteration.timing import Timing
from splitmodel.simulate.options import Simulation
from splitmodel.simulate.run import Outcome, run_once
from splitmodel.simulate.setting import Setting
from splitmodel.simulate.tables import tables_of
from splitmodel.simulate.trace import trace_of
from splitmodel.specs.catalogue import machine, transformer
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.semantics import SEMANTICS
from splitmodel.specs.slo import SLO


@pytest.fixture(scope="session")
def setting():
    """Makes a setting of a cluster and a timing."""

    def make(cluster: Cluster, timing: Timing, semantics: str = "physical") -> Setting:
        return Setting(
            cluster=cluster,
            model=transformer("llama2-70b"),
            slo=SLO(),
            timing=timing,
            reference=machine("DGX-A100"),
            semantics=SEMANTICS[semantics],
            stack=None,
        )

    return make


@pytest.fixture(scope="session")
def outcome():
    """Runs a load on a setting."""

    def run(
        setting: Setting, load, routing: str = "tokens", record: bool = False, **options
    ) -> Outcome:
        trace = trace_of(load, Simulation(**options), 0)
        return run_once(setting, tables_of(setting, trace), trace, routing, record)

    return run


@pytest.fixture(scope="session")
def random_load():
    """A burst of requests that keeps small clusters busy, as columns of a trace."""

    def draw(seed: int, count: int = 300, rate_rps: float = 6.0):
        rng = np.random.default_rng(seed)
        arrival_s = np.cumsum(rng.exponential(1.0 / rate_rps, size=count))
        prompts = rng.integers(1, 4000, size=count)
        outputs = rng.integers(1, 200, size=count)
        return arrival_s, prompts, outputs

    return draw
