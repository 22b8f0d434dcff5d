"""Sphinx extension: formulas are set by a copy of MathJax that is part of the site.

Sphinx would have every reader's browser load it from elsewhere. Of the Python package that holds
MathJax, the site takes the program and its fonts, which is all that a page asks for.
"""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PROGRAM = "tex-chtml.js"
PARTS = (PROGRAM, "output/chtml/fonts/woff-v2")


def copy_mathjax(app: Sphinx) -> None:
    """Put MathJax into a folder whose content becomes part of the site."""
    folder = Path(app.srcdir) / "_generated" / "formulas"
    with as_file(files("sphinx-mathjax-offline") / "static" / "mathjax") as mathjax:
        for part in PARTS:
            source, copy = mathjax / part, folder / "mathjax" / part
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, dirs_exist_ok=True)
            else:
                shutil.copy(source, copy)
    app.config.html_static_path += [str(folder)]
    app.config.mathjax_path = f"mathjax/{PROGRAM}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Have it copied before pages are written."""
    app.connect("builder-inited", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
