"""Budgets: what fits, what just fits, and the largest clusters within them."""

import numpy as np
import pytest

import splitmodel as sm
from splitmodel.provision.budget import SLACK, Budget
from splitmodel.provision.candidate import candidates_of

MACHINE = {
    "usd_per_hour": sm.cluster_of("baseline-H100").usd_per_hour,
    "power_provisioned_w": sm.cluster_of("baseline-H100").power_provisioned_w,
}
"""Of one DGX-H100."""
POWER = Budget({"power_provisioned_w": 40 * MACHINE["power_provisioned_w"]})
COST = Budget({"usd_per_hour": 40 * MACHINE["usd_per_hour"]})


def most(design: str, budget: Budget, prompt: float = 0.0) -> float:
    """Token machines, or machines of a baseline, that fit."""
    (candidate,) = candidates_of(design)
    return float(budget.most_second(candidate, np.array([prompt]))[0])


@pytest.mark.parametrize(
    ("design", "prompt", "token"),
    [
        ("baseline-A100", 0, 70),
        ("baseline-H100", 0, 40),
        ("AA", 45, 25),
        ("HH", 25, 15),
        ("HA", 25, 26),
        ("HHcap", 25, 21),
    ],
)
def test_reference_clusters_have_the_power_of_40_dgx_h100(design, prompt, token):
    assert most(design, POWER, prompt) == token


def test_86_dgx_a100_have_the_cost_of_40_dgx_h100():
    assert most("baseline-A100", COST) == 86
    assert most("AA", COST, 51) == 35


def test_a_budget_may_be_exceeded_by_rounding_and_no_more():
    exact = 70 * sm.cluster_of("baseline-A100").power_provisioned_w
    for share, count in ((1.0 - 0.5 * SLACK, 70), (1.0 - 2.0 * SLACK, 69)):
        assert most("baseline-A100", Budget({"power_provisioned_w": share * exact})) == count


def test_every_budget_counts():
    both = Budget({**POWER.limits, "machines": 30.0})
    assert most("HH", both, 25) == 5
    assert most("HH", Budget({**both.limits, "usd_per_hour": 1000.0}), 25) == 1
    (candidate,) = candidates_of("HHcap")
    assert both.most_first(candidate) == 29
    assert POWER.most_first(candidate) == 39


def test_no_room_is_less_than_one_machine():
    assert most("HH", Budget({"machines": 5.0}), 5) == 0
    assert most("baseline-A100", Budget({"usd_per_hour": 10.0})) == 0
