"""Clusters as they were published.

References:
    Patel et al., Splitwise, ISCA 2024, section VI and Figures 16 to 19.
"""

from __future__ import annotations

from splitmodel_studies.routes import Served

BASELINES = {
    "Baseline-A100": Served("baseline-A100", 70),
    "Baseline-H100": Served("baseline-H100", 40),
}
EQUAL_POWER = {
    **BASELINES,
    "AA": Served("AA", 45, 25),
    "HH": Served("HH", 25, 15),
    "HA": Served("HA", 25, 26),
    "HHcap": Served("HHcap", 25, 21),
}
"""Clusters of the power of 40 DGX-H100, for conversation."""
EQUAL_COST = {
    "Baseline-A100": Served("baseline-A100", 86),
    "Baseline-H100": BASELINES["Baseline-H100"],
    "AA": Served("AA", 51, 35),
    "HH": Served("HH", 25, 15),
    "HA": Served("HA", 30, 21),
    "HHcap": Served("HHcap", 30, 10),
}
"""Clusters of the cost of 40 DGX-H100, for conversation."""

_H100 = BASELINES["Baseline-H100"].cluster
POWER_W = float(_H100.power_provisioned_w)
"""Power of 40 DGX-H100."""
USD_PER_HOUR = float(_H100.usd_per_hour)
"""Price of 40 DGX-H100."""


def cost_ratio(name: str, over: str = "Baseline-H100") -> float:
    """Price of a cluster of equal power over that of another."""
    return float(EQUAL_POWER[name].cluster.usd_per_hour / EQUAL_POWER[over].cluster.usd_per_hour)
