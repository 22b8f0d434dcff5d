"""Sphinx extension: gives the interactive page its data and its plotting library.

The page needs no server and loads nothing from elsewhere: the table is a script, so that a browser
also reads it from a folder, and plotly.js is the copy inside the Python package.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent


def write_assets(app: Sphinx) -> None:
    """Write what the page loads into a folder whose content becomes part of the site."""
    folder = Path(app.srcdir) / "_generated" / "explorer"
    folder.mkdir(parents=True, exist_ok=True)
    with as_file(files("plotly") / "package_data" / "plotly.min.js") as plotly:
        shutil.copy(plotly, folder)
    # In its own process: Sphinx forks, which threads of a numerical library might not bear.
    subprocess.run([sys.executable, HERE / "table.py", folder], check=True)
    app.config.html_static_path += [str(folder), str(HERE / "static")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Have the assets written before pages are."""
    app.connect("builder-inited", write_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
