"""Figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from splitmodel.errors import InputError
from splitmodel.results import check_writable, complete_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure

_PANEL_INCHES = 3.0
_COLOURS = "cividis"
"""Even in lightness, and the same to all kinds of colour vision."""
_LEVELS = 12


class _Limit(NamedTuple):
    """What bounds a design space."""

    map_name: str
    shown: str
    """How a value is written, in the unit of figures."""
    scale: float


_LIMITS = {
    "budget_power_w": _Limit("map_power_provisioned_w", "{:,.4g} kW", 1e-3),
    "budget_usd_per_hour": _Limit("map_cost_usd_per_hour", "{:,.4g} $/h", 1.0),
    "budget_machines": _Limit("map_machines", "{:,.4g} machines", 1.0),
}
"""By the attribute of a result that gives the limit."""
_MINIMISED = {
    "cost": "cost_usd_per_hour",
    "power": "power_provisioned_w",
    "machines": "machines",
}


_KINDS = {"prefill": "tab:orange", "mixed": "tab:red", "decode": "tab:blue"}
"""Colour of an iteration with prompts, with both phases, and with decodes alone."""


def plot_timeline(result: xr.Dataset) -> Figure:
    """What every server of a simulation did, and how many requests were in its batches.

    Above, a bar for each iteration or run of decode steps, a row for each server; below, prompts
    and decodes in the batches of all servers together.

    Args:
        result: of `evaluate` with `tier="simulate"` and `timeline=True`.

    Returns:
        Figure; `save_figure` writes it.

    Raises:
        InputError: for a result without a timeline.
    """
    # Importing matplotlib takes a second, which only figures should cost.
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    if "iteration_start_s" not in result:
        raise InputError("result: holds no timeline; ask evaluate for timeline=True")
    start_s, end_s = result["iteration_start_s"].values, result["iteration_end_s"].values
    servers = result["iteration_server"].values
    counts = {kind: result[f"iteration_{kind}"].values for kind in ("prompts", "decodes")}
    kinds = np.where(
        counts["prompts"] == 0, "decode", np.where(counts["decodes"] == 0, "prefill", "mixed")
    )
    figure = Figure(figsize=(2.5 * _PANEL_INCHES, 2.0 * _PANEL_INCHES), layout="constrained")
    gantt, batches = figure.subplots(2, 1, sharex=True)
    for kind, colour in _KINDS.items():
        of_kind = kinds == kind
        gantt.barh(
            servers[of_kind],
            (end_s - start_s)[of_kind],
            left=start_s[of_kind],
            color=colour,
            height=0.8,
        )
    gantt.set(ylabel="server", title=result.attrs.get("cluster", ""))
    gantt.invert_yaxis()
    gantt.legend(handles=[Patch(color=colour, label=kind) for kind, colour in _KINDS.items()])
    # An iteration often starts when another one ends: both count at once.
    at_s, event = np.unique(np.concatenate([start_s, end_s]), return_inverse=True)
    for name, count in counts.items():
        change = np.bincount(event, weights=np.concatenate([count, -count]))
        batches.step(at_s, np.cumsum(change), where="post", label=name)
    batches.set(xlabel="time (s)", ylabel="requests in batches", ylim=(0.0, None))
    batches.legend()
    return figure


def plot_design_space(result: xr.Dataset | xr.DataTree) -> Figure:
    """Highest rate over prompt and token machines, the budgets, and the best split of each design.

    Where a quantity was minimised, lines show where the rate of the load is just met, and where the
    quantity is what the best split has, in place of budgets.

    Args:
        result: of `provision` with `map_points`, or of `compare_semantics`, which gives a row of
            panels for each semantics.

    Returns:
        Figure; `save_figure` writes it.

    Raises:
        InputError: for a result without a map.

    References:
        Patel et al., Splitwise, ISCA 2024, Figure 12.
    """
    # Importing matplotlib takes a second, which only figures should cost.
    from matplotlib.figure import Figure

    results = (
        [child.to_dataset() for child in result.children.values()]
        if isinstance(result, xr.DataTree)
        else [result]
    )
    for each in results:
        if "map_highest_rate_rps" not in each:
            raise InputError(
                "result: has no map; call provision with map_points=16 and a design that has a "
                "prompt and a token pool"
            )
    designs = list(dict.fromkeys(str(name) for each in results for name in each.map_design.values))
    levels = _levels(results)
    size = (_PANEL_INCHES * len(designs) + 1.5, _PANEL_INCHES * len(results) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(results), len(designs), squeeze=False)
    for panels, each in zip(grid, results, strict=True):
        panels[0].set_ylabel("token machines")
        for panel, design in zip(panels, designs, strict=True):
            panel.set_xlabel("prompt machines")
            if design in each.map_design:
                panel.set_title(f"{design}, {each.attrs['semantics']}", fontsize="medium")
                filled = _fill(panel, each.sel(map_design=design), levels)
                best = each.isel(rank=each.design.values == design).squeeze("rank")
                _draw_limits(panel, each.sel(map_design=design), best)
                _mark_best(panel, best)
            else:
                panel.set_visible(False)
    label = "highest rate that meets the limits [requests/s]"
    figure.colorbar(filled, ax=grid, label=label, ticks=levels[1:], format="%g")
    shown = (panel.get_legend_handles_labels() for panel in grid.ravel())
    by_label = {label: handle for pair in shown for handle, label in zip(*pair, strict=True)}
    figure.legend(by_label.values(), by_label.keys(), loc="outside lower center", ncols=5)
    return figure


def _levels(results: list[xr.Dataset]) -> np.ndarray:
    """Round rates up to the best, from just above zero, so that a rate of zero has no colour."""
    from matplotlib.ticker import MaxNLocator

    beyond = 1.5 if any("minimise" in each.attrs for each in results) else 1.0
    top_rps = beyond * max(float(each.highest_rate_rps.max()) for each in results)
    levels = MaxNLocator(_LEVELS).tick_values(0.0, top_rps)
    return np.append(1e-3 * levels[1], levels[1:])


def _fill(panel: Axes, design: xr.Dataset, levels: np.ndarray) -> QuadContourSet:
    panel.set_facecolor("lightgrey")
    panel.fill_between([], [], color="lightgrey", label="limits not met at any rate")
    return panel.contourf(
        design.map_prompt,
        design.map_token,
        design.map_highest_rate_rps.T,
        levels,
        cmap=_COLOURS,
        extend="max",
    )


def _draw_limits(panel: Axes, design: xr.Dataset, best: xr.Dataset) -> None:
    """Lines of the budgets; or of the rate to be met, and of what was minimised."""
    if minimised := design.attrs.get("minimise"):
        rate_rps, variable = best.rate_rps.item(), _MINIMISED[minimised]
        _line(panel, design, "map_highest_rate_rps", rate_rps, "dashed", f"{rate_rps:g} requests/s")
        shown = f"{minimised} of the best split"
        _line(panel, design, f"map_{variable}", best[variable].item(), "solid", shown)
    limits = [name for name in _LIMITS if name in design.attrs]
    for name, style in zip(limits, ("solid", "dashed", "dotted"), strict=False):
        (variable, shown, scale), limit = _LIMITS[name], design.attrs[name]
        _line(panel, design, variable, limit, style, shown.format(scale * limit))
        axes = (design.map_prompt, design.map_token)
        panel.contourf(*axes, design[variable].T, [limit, np.inf], colors="white", alpha=0.7)


def _line(
    panel: Axes, design: xr.Dataset, variable: str, level: float, style: str, label: str
) -> None:
    """Line along which a variable of the map has one value."""
    axes = (design.map_prompt, design.map_token)
    panel.contour(*axes, design[variable].T, [level], colors="black", linestyles=style)
    panel.plot([], [], color="black", linestyle=style, label=label)


def _mark_best(panel: Axes, best: xr.Dataset) -> None:
    place = (best.prompt.item(), best.token.item())
    panel.annotate(
        f"{place[0]}+{place[1]}: {best.highest_rate_rps.item():.4g}",
        place,
        (0, 14),
        textcoords="offset points",
        horizontalalignment="center",
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.5},
    )
    panel.plot(
        *place,
        marker="*",
        markersize=16,
        color="white",
        markeredgecolor="black",
        linestyle="none",
        label="best split (prompt+token: highest rate)",
    )


def check_figure(path: str | Path) -> None:
    """Raise InputError unless a figure can be written there; call it before long work."""
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix[1:].lower() not in formats:
        raise InputError(f"{path}: not a known kind of figure; endings are {', '.join(formats)}")
    check_writable(path)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure; the ending of the path, such as .png, .svg or .pdf, tells the format.

    Raises:
        InputError: if the file cannot be written or the format is unknown.
    """
    check_figure(path)
    with complete_file(path) as unfinished:
        figure.savefig(unfinished, dpi=150)
