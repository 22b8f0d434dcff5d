"""A designed space of clusters and loads, the same for the same seed.

Designs, semantics and kinds of workload come in turn, so that any number of clusters holds them in
equal parts; all else is drawn.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from splitmodel.evaluate import Question, prepare
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.design import DESIGN_NAMES, cluster_of, is_baseline
from splitmodel.specs.raw_files import AZURE_TRACES
from splitmodel.specs.semantics import SEMANTICS
from splitmodel.specs.workload import Workload

MODELS = ("bloom-176b", "llama2-70b")
"""Models of the Splitwise profile, which both timings know."""
MOST_MACHINES = 100
LOGNORMAL = "lognormal"
"""Sizes drawn from two lognormal distributions: name of the workload, before their means and the
standard deviations of their logarithms."""
BANDS = ((0.1, 0.6), (0.6, 0.85), (0.85, 1.0))
"""Loads as shares of the highest rate: light, usual, and close to the knee."""

_PROMPT_SHARE = (0.25, 0.9)
"""Share of prompt machines, about balance: prompts take more of them than tokens in most loads."""
_PROMPT_MEAN, _OUTPUT_MEAN, _SPREAD = (200.0, 2500.0), (20.0, 500.0), (0.3, 1.3)
"""Lognormal sizes, about those of the Azure traces."""
_MOST_PROMPT, _MOST_OUTPUT = 12000.0, 4000.0
_SIZES = 4000
"""Sizes that stand for a distribution."""


class Case(NamedTuple):
    """One cluster with the requests that it serves."""

    design: str
    prompt: int
    """Prompt machines; 0 for a baseline."""
    token: int
    machines: int
    """Machines in all pools."""
    mixed_pool: bool
    semantics: str
    model: str
    workload: str
    """"conv", "code", or "lognormal" with its parameters."""
    independent: bool
    """Whether prompt and output sizes are independent of each other."""

    @property
    def cluster(self) -> Cluster:
        """The cluster that it names."""
        if is_baseline(self.design):
            return cluster_of(self.design, machines=self.machines)
        return cluster_of(
            self.design, prompt=self.prompt, token=self.token, mixed_pool=self.mixed_pool
        )

    @property
    def question(self) -> Question:
        """What is asked about it."""
        return question_of(self.design, self.model, self.semantics)

    @property
    def load(self) -> Workload:
        """Its requests; their rate plays no role."""
        return _load(self.workload, self.independent)


def case(seed: int, index: int) -> Case:
    """A cluster of the space; `index` counts from 0."""
    rng = np.random.default_rng([seed, index])
    kinds = (*AZURE_TRACES, LOGNORMAL)
    index, design = divmod(index, len(DESIGN_NAMES))
    index, semantics = divmod(index, len(SEMANTICS))
    design, workload = DESIGN_NAMES[design], kinds[index % len(kinds)]
    least = 1 if is_baseline(design) else 2
    machines = round(_log_uniform(rng, least, MOST_MACHINES))
    prompt = round(np.clip(machines * rng.uniform(*_PROMPT_SHARE), 1, machines - 1))
    mixed_pool, independent, model = rng.integers(2, size=3)
    if is_baseline(design):
        prompt, token, mixed_pool = 0, 0, False
    else:
        token = machines - prompt
    if workload == LOGNORMAL:
        means = _log_uniform(rng, *_PROMPT_MEAN), _log_uniform(rng, *_OUTPUT_MEAN)
        spreads = rng.uniform(*_SPREAD, size=2)
        workload = f"{workload} {means[0]:.0f} {spreads[0]:.2f} {means[1]:.0f} {spreads[1]:.2f}"
        independent = True
    return Case(
        design=design,
        prompt=prompt,
        token=token,
        machines=machines,
        mixed_pool=bool(mixed_pool),
        semantics=tuple(SEMANTICS)[semantics],
        model=MODELS[model],
        workload=workload,
        independent=bool(independent),
    )


def loads(seed: int, index: int) -> list[float]:
    """One load of each band for a cluster of the space."""
    rng = np.random.default_rng([seed, index, 1])
    return [round(rng.uniform(*band), 3) for band in BANDS]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


@cache
def question_of(design: str, model: str, semantics: str) -> Question:
    """A model on the machines of a design, under the nine limits of Splitwise."""
    return prepare(
        [cluster_of(design)],
        model,
        "splitwise",
        timing=None,
        semantics=semantics,
        stack=None,
        reference=None,
        tier="analytic",
    )


@cache
def _load(workload: str, independent: bool) -> Workload:
    kind, *parameters = workload.split()
    if kind != LOGNORMAL:
        return Workload.azure(kind, rate_rps=1.0, independent=independent)
    prompt_mean, prompt_spread, output_mean, output_spread = map(float, parameters)
    return Workload.from_arrays(
        _lognormal(prompt_mean, prompt_spread, _MOST_PROMPT),
        _lognormal(output_mean, output_spread, _MOST_OUTPUT),
        rate_rps=1.0,
        independent=independent,
    )


def _lognormal(mean: float, spread: float, most: float) -> np.ndarray:
    """Quantiles of a lognormal distribution, evenly apart in probability [tokens]."""
    places = (np.arange(_SIZES) + 0.5) / _SIZES
    normal = np.array([NormalDist().inv_cdf(place) for place in places])
    return np.clip(np.rint(mean * np.exp(spread * normal - 0.5 * spread**2)), 1.0, most)
