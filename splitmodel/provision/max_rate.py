"""The highest rate of one cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from splitmodel.cluster.highest_rate import highest_rate
from splitmodel.compilation import quick_jit
from splitmodel.evaluate import Question, check_tier, prepare
from splitmodel.iteration.timing import Timing
from splitmodel.programs.kept_trace import kept
from splitmodel.simulate.options import Simulation, steady
from splitmodel.simulate.trace import REQUESTS
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.hardware import Machine
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload
from splitmodel.units import Scalar

SEEDS = 4
"""Runs at every rate of a simulated search."""
DURATION_S = 600.0
"""Duration of a run, unless `REQUESTS` take longer at about the highest rate."""
_GUESSED = 0.5
"""Share of the saturation rate to begin with where the analytic tier finds that no rate holds."""


def max_rate(
    cluster: Cluster,
    *,
    model: str | Transformer,
    workload: str | Workload = "conv",
    slo: str | SLO | None = "splitwise",
    timing: str | Timing | None = None,
    semantics: str | Semantics = "physical",
    stack: str | None = None,
    reference: str | Machine | None = None,
    tier: str = "analytic",
    **simulation: Any,
) -> float:
    """Highest rate at which a cluster meets all limits [requests/s].

    The first crossing from below: 0 where the limits fail at any rate, and almost the saturation
    rate where they never do. `splitmodel.highest_rate` is the same, for `jit`, `vmap` and `grad`.

    With tier="simulate" the means of the percentiles over several runs are held against the limits,
    at rates from 0.75 times the analytic answer on, until they lie within 0.4%.

    Args:
        cluster: machines, roles and policies.
        model: name in the catalogue, a file (TOML or Hugging Face config.json) or a `Transformer`.
        workload: "conv" or "code" (Azure), a CSV file, or a `Workload`, of which the rate plays no
            role.
        slo: "splitwise" (the paper's nine limits), a TOML file, an `SLO` or None.
        timing: "roofline", "interpolated" or a `Timing`; by default that of the semantics.
        semantics: "physical" or "splitwise-sim".
        stack: serving stack, "splitwise-2023" or "graphs".
        reference: machine of the slowdowns' denominator; by default that of the SLO, DGX-A100.
        tier: "analytic", or "simulate" to run every request at several rates.
        **simulation: with tier="simulate", fields of `Simulation`. By default there are 4 `seeds`
            of random requests over a `duration_s` of 600 s, or as long as 10,000 take, of which
            those between 0.25 and 0.9 of it count; `arrivals="replay"` speeds a trace up
            instead.

    Raises:
        InputError: for a bad name or value, or a model that does not fit a machine.
    """
    check_tier(tier, simulation)
    search_options(simulation, rate_rps=1.0)  # a bad value is found before any work
    load = workload if isinstance(workload, Workload) else Workload.named(workload, rate_rps=1.0)
    question = prepare(
        [cluster],
        model,
        slo,
        timing=timing,
        semantics=semantics,
        stack=stack,
        reference=reference,
        tier="analytic",
    )
    highest_rps = float(_compiled(question, cluster, load))
    if tier == "analytic":
        return highest_rps
    if highest_rps == 0.0:
        # Without limits it is the saturation rate.
        unlimited = replace(question, slo=SLO(reference=question.slo.reference.value))
        highest_rps = _GUESSED * float(_compiled(unlimited, cluster, load))
    return simulated_rate(question, cluster, load, highest_rps, simulation)


def simulated_rate(
    question: Question,
    cluster: Cluster,
    load: Workload,
    guess_rps: float,
    simulation: Mapping[str, Any],
) -> float:
    """Highest rate by simulation [requests/s]; 0 where a guess of 0 leaves nothing to try.

    Args:
        question: what is asked of the cluster.
        cluster: machines, roles and policies.
        load: its requests; their rate plays no role.
        guess_rps: about the rate that is sought [requests/s].
        simulation: fields of `Simulation`; defaults as in `max_rate`.
    """
    # The compiler of this tier takes a while to import, for which the other need not wait.
    from splitmodel.simulate import highest_rate as simulated

    if guess_rps == 0.0:
        return 0.0
    options = search_options(simulation, guess_rps)
    return simulated.highest_rate(question.setting(cluster), load, options, guess_rps)


def search_options(simulation: Mapping[str, Any], rate_rps: float) -> Simulation:
    """Options of a run in which a steady state is sought at about a rate [requests/s].

    Raises:
        InputError: for a bad value.
    """
    if simulation.get("arrivals") == "replay":
        return Simulation(**simulation)
    duration_s = max(DURATION_S, REQUESTS / rate_rps)
    return steady(**({"seeds": SEEDS, "duration_s": duration_s} | dict(simulation)))


@quick_jit
@kept
def _compiled(question: Question, cluster: Cluster, load: Workload) -> Scalar:
    return highest_rate(
        cluster,
        load,
        question.model,
        slo=question.slo,
        timing=question.timing,
        semantics=question.semantics,
        stack=question.stack,
        reference=question.reference,
    )
