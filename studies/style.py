"""One look for all figures of studies, on light and on dark pages and on small screens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitmodel.results import complete_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Told apart with any kind of colour vision, and visible on white and on black.

References:
    Okabe and Ito, Color universal design, 2008.
"""
THEMES = {"light": "#222222", "dark": "#DDDDDD"}
"""Colour of lines and letters by the theme of the page; the figure itself is transparent."""
_WIDTH_INCHES = 5.5
"""Narrow, so that letters stay legible where the figure fills a phone."""
PANEL_INCHES = 3.4
"""Height of a panel."""


def panels(rows: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with panels below each other."""
    # Importing matplotlib takes a second, which only figures should cost.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_INCHES, PANEL_INCHES * rows), layout="constrained")
    return figure, list(figure.subplots(rows, 1, squeeze=False, **options)[:, 0])


@contextmanager
def theme(name: str) -> Iterator[None]:
    """Draw for pages of a theme."""
    from cycler import cycler
    from matplotlib import rc_context

    ink = THEMES[name]
    with rc_context(
        {
            **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), ink),
            **dict.fromkeys(("xtick.color", "ytick.color", "legend.labelcolor"), ink),
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": "medium",
            "font.size": 11.0,
            "legend.frameon": False,
            "legend.fontsize": "small",
            "svg.fonttype": "none",
            "svg.hashsalt": "splitmodel",
        }
    ):
        yield


def ink() -> str:
    """Colour of lines and letters under the current theme."""
    from matplotlib import rcParams

    return rcParams["text.color"]


def write_svg(figure: Figure, path: Path) -> None:
    """Write a figure that is the same, byte for byte, whenever it is drawn."""
    with complete_file(path) as unfinished:
        figure.savefig(unfinished, transparent=True, metadata={"Date": None})
