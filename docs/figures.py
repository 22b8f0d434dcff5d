"""Sphinx extension: one look for the figures of executed pages, which is that of the studies.

Figures are SVG without a background. On dark pages the style sheet inverts their lightness.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from splitmodel_studies.style import theme

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def configure(folder: Path) -> None:
    """Write the settings to a folder, and have kernels that are started from now on use them."""
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    settings = {"InlineBackend": {"figure_formats": ["svg"], "rc": {}}}
    (profile / "ipython_kernel_config.json").write_text(json.dumps(settings))
    usual = mpl.rcParams.copy()
    with theme("light"):
        look = {name: value for name, value in mpl.rcParams.items() if value != usual[name]}
    look |= {"figure.facecolor": "none", "axes.facecolor": "none"}
    # Quoted because a colour's # would begin a comment.
    lines = [f'{name}: "{value}"' for name, value in look.items()]
    (folder / "matplotlibrc").write_text("\n".join(lines) + "\n")
    os.environ |= {"IPYTHONDIR": str(folder), "MATPLOTLIBRC": str(folder / "matplotlibrc")}


def setup(app: Sphinx) -> dict[str, Any]:
    """Configure before any page is executed."""
    configure(Path(app.srcdir) / "_generated" / "figures")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
