"""The best counts against trying them all, and highest rates against their definition."""

import numpy as np
import pytest

import splitmodel as sm
from splitmodel.evaluate import prepare
from splitmodel.provision.asked import Asked
from splitmodel.provision.budget import Budget
from splitmodel.provision.candidate import candidates_of
from splitmodel.provision.highest import COARSE, highest_rates
from splitmodel.provision.infeasible import InfeasibleError
from splitmodel.provision.search import cheapest, fastest

pytestmark = pytest.mark.numerics

LOAD = sm.Workload.azure("conv", rate_rps=1.0)
CANDIDATES = {each.name: each for each in candidates_of(sm.DESIGN_NAMES)}
QUESTION = prepare(
    [each.cluster for each in CANDIDATES.values()],
    "bloom-176b",
    "splitwise",
    timing=None,
    semantics="splitwise-sim",
    stack=None,
    reference=None,
    tier="analytic",
)


def asked(design: str) -> Asked:
    return Asked(QUESTION, LOAD, CANDIDATES[design])


def grid(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    columns, rows = np.meshgrid(first, second)
    return columns.ravel(), rows.ravel()


def met(
    ask: Asked, first: np.ndarray, second: np.ndarray, rate_rps: float | np.ndarray
) -> np.ndarray:
    return ask(first, second, np.broadcast_to(rate_rps, first.shape)).slo_met > 0.0


@pytest.mark.parametrize("rate_rps", [0.5, 12.0])
@pytest.mark.parametrize("quantity", ["usd_per_hour", "power_provisioned_w", "machines"])
@pytest.mark.parametrize("design", CANDIDATES)
def test_no_smaller_cluster_of_a_design_meets_the_limits(design, quantity, rate_rps):
    ask = asked(design)
    found = cheapest(ask, quantity, rate_rps)
    of_first, of_second = ask.candidate.per_machine(quantity)
    cost = of_first * found.first + of_second * found.second
    assert met(ask, np.array([found.first]), np.array([found.second]), rate_rps).all()
    most = cost / of_first if ask.candidate.splits else 0.0
    first, second = grid(
        np.arange(float(ask.candidate.splits), most + 1.0), np.arange(1.0, cost / of_second + 1.0)
    )
    costs = of_first * first + of_second * second
    assert not met(ask, first, second, rate_rps)[costs < cost * (1.0 - 1e-6)].any()


@pytest.mark.parametrize("rate_rps", [90.0, 400.0])
@pytest.mark.parametrize("design", ["AA", "HA"])
def test_large_clusters_cannot_lose_machines(design, rate_rps):
    ask = asked(design)
    found = cheapest(ask, "usd_per_hour", rate_rps)
    of_first, of_second = ask.candidate.per_machine("usd_per_hour")
    first, second = grid(found.first + np.arange(-8.0, 9.0), found.second + np.arange(-8.0, 9.0))
    cost = of_first * found.first + of_second * found.second
    less = of_first * first + of_second * second < cost * (1.0 - 1e-6)
    assert not met(ask, first, second, rate_rps)[less].any()


@pytest.mark.parametrize("rate_rps", [12.0, 85.0, 95.0])
@pytest.mark.parametrize("design", ["AA", "HHcap"])
def test_limits_hold_at_lower_rates_too(design, rate_rps):
    """Not only at the rate asked for: the first crossing from below is no less."""
    ask = asked(design)
    found = cheapest(ask, "power_provisioned_w", rate_rps)
    assert found.highest_rate_rps >= rate_rps
    lower_rps = np.linspace(0.1, 1.0, 19) * rate_rps
    assert met(ask, np.full(19, found.first), np.full(19, found.second), lower_rps).all()


def test_of_equal_clusters_the_faster_one_is_chosen():
    ask = asked("HH")
    found = cheapest(ask, "machines", 12.0)
    total = found.first + found.second
    first = np.arange(1.0, total)
    rates_rps = highest_rates(ask, first, total - first)
    assert found.highest_rate_rps == pytest.approx(rates_rps.max(), rel=1e-4)
    assert found.highest_rate_rps >= 12.0


@pytest.mark.parametrize("design", ["AA", "HA", "HHcap"])
def test_no_split_within_a_budget_is_faster(design):
    ask = asked(design)
    budget = Budget({"power_provisioned_w": 80e3})
    found = fastest(ask, budget)
    first, second = grid(np.arange(1.0, 15.0), np.arange(1.0, 15.0))
    inside = second <= budget.most_second(ask.candidate, first)
    rates_rps = highest_rates(ask, first[inside], second[inside])
    assert found.highest_rate_rps == pytest.approx(rates_rps.max(), rel=1e-4)


def test_many_machines_are_searched_without_trying_all():
    """As finely as it takes: no count nearby is better than the one found among thousands."""
    ask = asked("HA")
    found = fastest(ask, Budget({"machines": 3000.0}))
    first = found.first + np.arange(-30.0, 31.0)
    rates_rps = highest_rates(ask, first, 3000.0 - first)
    assert found.highest_rate_rps >= rates_rps.max() * (1.0 - 1e-3)


@pytest.mark.parametrize("design", ["baseline-H100", "HA"])
def test_highest_rates_are_first_crossings(design):
    ask = asked(design)
    first, second = np.array([0.0, 0.0]), np.array([3.0, 40.0])
    if ask.candidate.splits:
        first = np.array([2.0, 25.0])
    rates_rps = highest_rates(ask, first, second)
    below = rates_rps * np.linspace(0.01, 0.9999, 50)[:, None]
    assert (ask(first, second, below).slo_met > 0.0).all()
    assert not (ask(first, second, rates_rps * 1.001).slo_met > 0.0).any()
    rough = highest_rates(ask, first, second, COARSE)
    saturation_rps = ask(first, second, np.ones(2)).saturation_rps
    assert (np.abs(rates_rps - rough) <= saturation_rps / 64).all()


def test_budgets_without_room_say_so():
    with pytest.raises(InfeasibleError, match="not even one machine of each pool"):
        fastest(asked("HH"), Budget({"machines": 1.0}))
