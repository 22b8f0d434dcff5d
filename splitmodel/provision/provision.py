"""Which machines, how many, in which roles: the best cluster for a load and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from splitmodel.errors import InputError, check_choice, check_range
from splitmodel.evaluate import check_options, prepare
from splitmodel.iteration.timing import Timing
from splitmodel.provision.asked import Asked
from splitmodel.provision.budget import Budget
from splitmodel.provision.candidate import candidates_of
from splitmodel.provision.confirm import confirm_limits, confirm_rates
from splitmodel.provision.explored import explored
from splitmodel.provision.found import Found
from splitmodel.provision.infeasible import InfeasibleError
from splitmodel.provision.max_rate import search_options
from splitmodel.provision.ranked import ranked
from splitmodel.provision.runners_up import cheapest_few, fastest_few
from splitmodel.provision.search import cheapest, fastest
from splitmodel.specs.cluster import Cluster
from splitmodel.specs.design import DESIGN_NAMES
from splitmodel.specs.hardware import Machine
from splitmodel.specs.semantics import Semantics
from splitmodel.specs.slo import SLO
from splitmodel.specs.transformer import Transformer
from splitmodel.specs.workload import Workload

MINIMISED = {
    "cost": ("usd_per_hour", "cost_usd_per_hour"),
    "power": ("power_provisioned_w", "power_provisioned_w"),
    "machines": ("machines", "machines"),
}
"""What can be minimised: the property of `Cluster` and the output variable."""
BUDGETS = {
    "budget_power_w": "power_provisioned_w",
    "budget_usd_per_hour": "usd_per_hour",
    "budget_machines": "machines",
}
"""What can be limited: the property of `Cluster`."""

MARGIN = 0.05
"""Share of the rate in reserve, unless simulation decides: what the highest rate of the analytic
tier is off by at most on nine in ten clusters (docs/validation.md). The cheapest cluster that it
takes to be enough is one of which it is too hopeful."""

_MAPPED = 1.5
"""Multiple of the least cost, power or machines up to which a map reaches."""


def provision(
    load: Workload,
    *,
    model: str | Transformer,
    minimise: str | None = None,
    margin: float | None = None,
    maximise: str | None = None,
    budget_power_w: float | None = None,
    budget_usd_per_hour: float | None = None,
    budget_machines: float | None = None,
    designs: Sequence[str | Cluster] = DESIGN_NAMES,
    slo: str | SLO | None = "splitwise",
    timing: str | Timing | None = None,
    semantics: str | Semantics = "physical",
    stack: str | None = None,
    reference: str | Machine | None = None,
    tier: str = "analytic",
    map_points: int = 0,
    confirm: int = 0,
    progress: bool = False,
    **simulation: Any,
) -> xr.Dataset:
    """The best split of every design, ranked.

    Either the least cost, power or machines that meet all limits at every rate up to that of the
    load and a margin; or the highest rate within budgets, where the rate of the load plays no role.

    Args:
        load: request sizes and arrival rate.
        model: name in the catalogue, a file (TOML or Hugging Face config.json) or a `Transformer`.
        minimise: "cost", "power" or "machines".
        margin: share of the rate by which clusters have to be able to do more, for the error of
            the analytic tier, at least 0; by default `MARGIN`, 0.05, or 0 with `confirm`, where
            simulation decides.
        maximise: "rate", with at least one budget.
        budget_power_w: provisioned power at most [W].
        budget_usd_per_hour: cost at most [$/h].
        budget_machines: machines at most.
        designs: names as `splitmodel.specs.design.cluster_of` takes them, by default the six of
            the paper; or clusters, of which the counts play no role.
        slo: "splitwise" (the paper's nine limits), a TOML file, an `SLO` or None.
        timing: "roofline", "interpolated" or a `Timing`; by default that of the semantics.
        semantics: "physical" or "splitwise-sim".
        stack: serving stack, "splitwise-2023" or "graphs".
        reference: machine of the slowdowns' denominator; by default that of the SLO, DGX-A100.
        tier: "analytic".
        map_points: also map the highest rate over the counts, for `plot_design_space`, with this
            many points, at least 2, along each axis; 0 for no map.
        confirm: simulate that many of the best clusters, the best splits of all designs and those
            of two machines more or less; 0 for none.
        progress: show a bar over simulations.
        **simulation: with `confirm`, fields of `Simulation`; by default 8 `seeds`, or 4 at each
            rate where the rate is maximised, and the rest as in `max_rate`.

    Returns:
        Dataset over `rank`, the best first, one rank per design that meets the limits; attribute
        `infeasible` says why others do not. Metrics are those at the coordinate `rate_rps`: the
        rate of the load, or where that is maximised, the highest rate.

        With `confirm` there is one rank per cluster that was simulated. At the rate of the load
        those with `holds_in_simulation` come first, beside `simulated_ttft_s` and the like; where
        none holds, larger ones are tried too, up to 20. Where the rate is maximised, that with the
        highest `simulated_highest_rate_rps` comes first. Attribute `confirmed` says how it went.

    Raises:
        InputError: for a bad name or value, before any work; `InfeasibleError` where no design
            meets the limits.

    References:
        Patel et al., Splitwise, ISCA 2024, Section IV-D (provisioning) and Figure 12.
    """
    limits = {
        "budget_power_w": budget_power_w,
        "budget_usd_per_hour": budget_usd_per_hour,
        "budget_machines": budget_machines,
    }
    limits = {name: limit for name, limit in limits.items() if limit is not None}
    _check_goal(minimise, maximise, limits)
    _check_confirm(confirm, simulation)
    margin = _margin(margin, minimise, confirm)
    if map_points:
        check_range("map_points", map_points, low=2.0, open_low=False)
    candidates = candidates_of(designs)
    question = prepare(
        [each.cluster for each in candidates],
        model,
        slo,
        timing=timing,
        semantics=semantics,
        stack=stack,
        reference=reference,
        tier=tier,
    )
    rate_rps = float(load.rate_rps)
    budget = Budget({BUDGETS[name]: limit for name, limit in limits.items()})
    found, infeasible = [], []
    for candidate in candidates:
        asked = Asked(question, load, candidate)
        try:
            if minimise:
                split = cheapest(asked, MINIMISED[minimise][0], (1.0 + margin) * rate_rps)
                found.append(Found(candidate, split, rate_rps))
            else:
                split = fastest(asked, budget)
                found.append(Found(candidate, split, split.highest_rate_rps))
        except InfeasibleError as reason:
            infeasible.append(f"{candidate.name}: {reason}")
    if not found:
        raise InfeasibleError(
            f"designs: none meets the limits; {'; '.join(infeasible)}; relax slo=, "
            + ("lower the rate" if minimise else "raise the budgets")
            + " or give other designs="
        )
    attrs = {
        **({"minimise": minimise, "margin": margin} if minimise else {"maximise": "rate"}),
        **limits,
        "workload": str(load.label.value),
        "infeasible": "; ".join(infeasible),
        **question.provenance,
    }
    least = MINIMISED[minimise][1] if minimise else None
    if not confirm:
        result = ranked(question, load, found, least, attrs)
    else:
        if minimise:
            quantity = MINIMISED[minimise][0]
            few = cheapest_few(question, load, found, quantity, confirm)
            told = confirm_limits(question, load, few, found, quantity, simulation, progress)
        else:
            few = fastest_few(question, load, found, budget, confirm)
            told = confirm_rates(question, load, few, simulation, progress)
        attrs["confirmed"] = told.message
        result = ranked(question, load, told.found, least, attrs, told.values, told.lead)
    splitting = [each.candidate for each in found if each.candidate.splits]
    if not (map_points and splitting):
        return result
    if minimise:
        budget = Budget({MINIMISED[minimise][0]: _MAPPED * float(result[least][0])})
    return result.merge(explored(question, load, splitting, budget, map_points))


def _margin(margin: float | None, minimise: str | None, confirm: int) -> float:
    """Share of the rate in reserve; only what the analytic tier decides about a rate has one."""
    if margin is None:
        return MARGIN if minimise and not confirm else 0.0
    check_range("margin", margin, open_low=False)
    if margin and not minimise:
        raise InputError(f"margin: {margin:g} needs minimise=, as no rate is asked for without it")
    if margin and confirm:
        raise InputError(
            f"margin: {margin:g} with confirm={confirm}, where simulation decides; for a reserve "
            "there, give a load of a higher rate"
        )
    return float(margin)


def _check_confirm(confirm: Any, simulation: Mapping[str, Any]) -> None:
    """A whole number, and options of a simulation only where there is one."""
    if isinstance(confirm, bool) or not isinstance(confirm, int) or confirm < 0:
        raise InputError(f"confirm: {confirm!r} is not a whole number of at least 0")
    check_options(simulation)
    if confirm:
        search_options(simulation, rate_rps=1.0)
    elif simulation:
        raise InputError(f"{', '.join(simulation)}: only with confirm=5 or another number")


def _check_goal(minimise: str | None, maximise: str | None, limits: Mapping[str, float]) -> None:
    """Exactly one goal, and budgets with the one that they bound."""
    if (minimise is None) == (maximise is None):
        raise InputError(
            f"minimise: {minimise!r} and maximise: {maximise!r}; give one of them, minimise= "
            f"{', '.join(MINIMISED)} or maximise= rate"
        )
    for name, limit in limits.items():
        check_range(name, limit)
    if minimise is not None:
        check_choice("minimise", minimise, MINIMISED)
        if limits:
            raise InputError(f"{next(iter(limits))}: only with maximise='rate'")
        return
    check_choice("maximise", maximise, ["rate"])
    if not limits:
        raise InputError(f"maximise: 'rate' needs a budget, one of {', '.join(BUDGETS)}")
