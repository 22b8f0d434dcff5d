"""Figures of the design space, from results made by hand."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Rectangle

import splitmodel as sm
from splitmodel.plotting import check_figure, save_figure


def ranked(semantics: str, **question: object) -> xr.Dataset:
    """A result of `provision` for two designs of machines that take 10 kW and 10 $/h each."""
    counts = np.linspace(1.0, 39.0, 5)
    prompt, token = np.meshgrid(counts, counts, indexing="ij")
    dims = ("map_design", "map_column", "map_row")
    maps = {
        "map_highest_rate_rps": np.minimum(prompt, token),
        "map_cost_usd_per_hour": 10.0 * (prompt + token),
        "map_power_provisioned_w": 1e4 * (prompt + token),
        "map_machines": prompt + token,
    }
    return xr.Dataset(
        {
            "highest_rate_rps": ("rank", [20.0, 15.0]),
            "cost_usd_per_hour": ("rank", [400.0, 300.0]),
            **{name: (dims, np.stack([values, values])) for name, values in maps.items()},
        },
        coords={
            "rank": [1, 2],
            "design": ("rank", ["HA", "baseline-H100"]),
            "prompt": ("rank", [20, 0]),
            "token": ("rank", [20, 0]),
            "rate_rps": ("rank", [18.0, 18.0]),
            "map_design": ["AA", "HA"],
            "map_prompt": (dims[:2], np.stack([counts, counts])),
            "map_token": (("map_design", "map_row"), np.stack([counts, counts])),
        },
        attrs={"semantics": semantics, **question},
    ).sel(map_design=["HA"])


def texts(figure) -> set[str]:
    """Words of the legend."""
    return {text.get_text() for text in figure.legends[0].get_texts()}


def test_budgets_and_best_split_are_drawn():
    figure = sm.plot_design_space(
        ranked("physical", maximise="rate", budget_power_w=4e5, budget_usd_per_hour=500.0)
    )
    panel = figure.axes[0]
    assert panel.get_title() == "HA, physical"
    assert panel.get_xlabel() == "prompt machines" and panel.get_ylabel() == "token machines"
    assert figure.axes[-1].get_ylabel() == "highest rate that meets the limits [requests/s]"
    assert {"400 kW", "500 $/h"} < texts(figure)
    assert "20+20: 20" in {text.get_text() for text in panel.texts}


def test_what_was_minimised_takes_the_place_of_budgets():
    figure = sm.plot_design_space(ranked("physical", minimise="cost"))
    assert {"18 requests/s", "cost of the best split"} < texts(figure)


def test_semantics_are_rows_of_one_file(tmp_path):
    tree = xr.DataTree.from_dict(
        {name: ranked(name, maximise="rate", budget_machines=40.0) for name in ("one", "two")}
    )
    figure = sm.plot_design_space(tree)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["HA, one", "HA, two"]
    save_figure(figure, tmp_path / "space.png")
    assert (tmp_path / "space.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["space.png"]


def test_bad_input_is_named(tmp_path):
    with pytest.raises(sm.InputError, match="no map; call provision with map_points"):
        sm.plot_design_space(ranked("physical").drop_vars("map_highest_rate_rps"))
    with pytest.raises(sm.InputError, match="not a known kind of figure; endings are"):
        check_figure(tmp_path / "space.doc")
    with pytest.raises(sm.InputError, match="cannot be written"):
        check_figure(tmp_path / "missing" / "space.png")


def test_a_timeline_shows_servers_and_batches():
    columns = {
        "server": [0, 1, 1],
        "start_s": [0.0, 1.0, 2.0],
        "end_s": [1.0, 2.0, 5.0],
        "prompts": [1, 1, 0],
        "decodes": [0, 1, 2],
    }
    result = xr.Dataset(
        {f"iteration_{name}": ("iteration", column) for name, column in columns.items()}
    )
    gantt, batches = sm.plot_timeline(result).axes
    rectangles = [bar for bar in gantt.patches if isinstance(bar, Rectangle)]
    bars = {tuple(np.round(bar.get_bbox().extents, 6)) for bar in rectangles}
    assert bars == {(0.0, -0.4, 1.0, 0.4), (1.0, 0.6, 2.0, 1.4), (2.0, 0.6, 5.0, 1.4)}
    at_s, decodes = (np.asarray(column) for column in batches.lines[1].get_data())
    np.testing.assert_array_equal(at_s, [0.0, 1.0, 2.0, 5.0])
    np.testing.assert_array_equal(decodes, [0, 1, 2, 0])


def test_a_result_without_a_timeline_is_refused():
    with pytest.raises(sm.InputError, match="timeline"):
        sm.plot_timeline(xr.Dataset())
