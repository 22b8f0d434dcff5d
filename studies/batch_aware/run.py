"""The paper's conclusions by four routes, with the uncertainty of the calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.evaluate import TIERS
from splitmodel.specs.calibrated import DRAWS
from splitmodel_studies.batch_aware.by_batch import BY_BATCH
from splitmodel_studies.batch_aware.conclusions import CONCLUSIONS, SAME_MACHINES, SAVES, Conclusion
from splitmodel_studies.batch_aware.evidence import decode_times, plot_decode
from splitmodel_studies.batch_aware.uncertainty import drawn_rates_rps
from splitmodel_studies.published import BASELINES, EQUAL_POWER
from splitmodel_studies.routes import AUTHORS, PHYSICAL, Route, label
from splitmodel_studies.style import ink, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STATEMENTS = CONCLUSIONS | {"hh_power": SAME_MACHINES}
_LOOSER = Route(
    "physical, twice the limits on TBT",
    "physical",
    slo=sm.SLO(
        ttft_slowdown={50: 2.0, 90: 3.0, 99: 6.0},
        tbt_slowdown={50: 2.5, 90: 3.0, 99: 10.0},
        e2e_slowdown={50: 2.5, 90: 3.0, 99: 10.0},
    ),
)
"""The limits of Splitwise, with those that token generation must meet twice as loose."""
_PAIRS = (
    *((route, tier) for route in (AUTHORS, BY_BATCH, PHYSICAL) for tier in TIERS),
    (_LOOSER, "analytic"),
)
_SHOWN = {
    "splitwise-sim, simulate": "authors' simulator",
    "splitwise-sim, decode by batch, simulate": "the same, decode by batch",
    "physical, simulate": "physical, 90% interval",
}
_INTERVAL = (5.0, 95.0)
_MATERIAL = 0.85
"""Share of the published multiple below which it is called smaller: the tolerance of claims."""


def run() -> xr.Dataset:
    """Multiples by every route, their intervals, and what becomes of each conclusion."""
    labels = [label(*pair) for pair in _PAIRS]
    values = {}
    for name, each in _STATEMENTS.items():
        values[name] = ("route", [each.ratio(*pair) for pair in _PAIRS])
        if each.published is not None:
            values[f"{name}_published_split"] = (
                "route",
                [np.nan if pair[0] is _LOOSER else each.published_ratio(*pair) for pair in _PAIRS],
            )
        best = each.best(PHYSICAL, "simulate")
        values[f"{name}_split"] = f"{best['prompt']:.0f}+{best['token']:.0f}"
    intervals = _intervals()
    for name, (low, high) in intervals.items():
        values |= {f"{name}_low": low, f"{name}_high": high}
        values[f"{name}_outcome"] = _outcome(low, high, _STATEMENTS[name])
    result = xr.Dataset(values, coords={"route": labels})
    return result.assign(_shifts(result)).merge(decode_times())


def plot(result: xr.Dataset) -> Figure:
    """Decode time over the batch on both machines; and the multiples, published and ours."""
    figure, (*machines, multiples) = panels(3, height_ratios=[1.0, 1.0, 1.6])
    plot_decode(result, machines)
    _plot_multiples(result, multiples)
    handles, labels = multiples.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _shifts(result: xr.Dataset) -> dict[str, float]:
    """How far the answer in words goes."""
    theirs, by_batch, physical = (
        result.sel(route=label(route, "simulate")) for route in (AUTHORS, BY_BATCH, PHYSICAL)
    )
    lost = (theirs["ha_power"] - by_batch["ha_power"]) / (theirs["ha_power"] - 1.0)
    published = {"aa_power": EQUAL_POWER["AA"], "ha_power": EQUAL_POWER["HA"]}
    growth = [
        CONCLUSIONS[name].best(BY_BATCH, "simulate")["token"] / served.second
        for name, served in published.items()
    ]
    shares = [float(by_batch[f"{name}_published_split"] / by_batch[name]) for name in published]
    return {
        "draws": DRAWS,
        "saves": SAVES,
        "hh_power_over_theirs": float(physical["hh_power"] / theirs["hh_power"]),
        "ha_power_lost_by_reading": float(lost),
        "published_splits": max(shares),
        "least_token_growth": min(growth),
        "most_token_growth": max(growth),
    }


def _intervals() -> dict[str, tuple[float, float]]:
    """Interval of each multiple; of every draw the best split near the best one counts."""
    baselines = {name: [served] for name, served in BASELINES.items()}
    splits = {
        name: each.near(each.best(PHYSICAL, "analytic")) for name, each in _STATEMENTS.items()
    }
    asked = baselines | splits
    clusters = [served.cluster for group in asked.values() for served in group]
    ends = np.cumsum([len(group) for group in asked.values()])[:-1]
    drawn = np.split(drawn_rates_rps(clusters, sm.SLO.splitwise()), ends)
    best_rps = {name: rates.max(axis=0) for name, rates in zip(asked, drawn, strict=True)}
    return {
        name: tuple(np.percentile(best_rps[name] / best_rps[each.baseline], _INTERVAL).tolist())
        for name, each in _STATEMENTS.items()
    }


def _outcome(low: float, high: float, each: Conclusion) -> str:
    if high < each.least:
        return "reversed"
    if low < each.least:
        return "undecided"
    return "survives, but smaller" if high < _MATERIAL * each.multiple else "survives"


def _plot_multiples(result: xr.Dataset, panel: Axes) -> None:
    names = list(_STATEMENTS)
    places = np.arange(len(names))
    for turn, (route, shown) in enumerate(_SHOWN.items()):
        values = np.array([result[name].sel(route=route).item() for name in names])
        at = places + 0.18 * (turn - 1)
        panel.plot(values, at, "o", color=f"C{turn}", label=shown)
        if route == label(PHYSICAL, "simulate"):
            low, high = (
                [result[f"{name}_{end}"].item() for name in names] for end in ("low", "high")
            )
            panel.hlines(at, low, high, color=f"C{turn}", linewidth=2.0)
    published = [_statement(name).multiple for name in names]
    panel.plot(published, places - 0.36, "D", color=ink(), mfc="none", label="published")
    panel.axvline(1.0, color=ink(), linewidth=1.0)
    panel.set_yticks(places, [_statement(name).shown for name in names], fontsize="small")
    panel.invert_yaxis()
    panel.set_xlabel("rate over the baseline's")


def _statement(name: str) -> Conclusion:
    return _STATEMENTS[name]
