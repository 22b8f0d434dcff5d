"""Sphinx configuration: every page with code is executed, and any warning fails the build."""

import os
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon.docstring import GoogleDocstring

import splitmodel

HERE = Path(__file__).parent
# The first three extensions lie here.
sys.path.insert(0, str(HERE))
# Pages compile the same functions, each in its own process: what one compiled, others load.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(HERE / "_generated" / "compiled"))
# They compile much and run little: less optimised code is there in less than half the time.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false"
)
# A library looks for the progress bars of notebooks, which pages do not need.
os.environ.setdefault("PYTHONWARNINGS", "ignore:IProgress not found")

project = "splitmodel"
author = "the splitmodel authors"
extensions = [
    "explorer",
    "figures",
    "formulas",
    "myst_nb",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "_generated/api/modules.rst"]
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["outputs.css", "explorer.css"]
html_show_copyright = False
html_favicon = "_static/icon.svg"

# Outputs depend on the package, which a cache of notebooks does not see, hence "force".
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_render_markdown_format = "myst"
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath", "fieldlist"]

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"

# The reference has a page for every package, written from the source. Pages of several modules take
# what they show of each from the environment alone.
os.environ["SPHINX_APIDOC_OPTIONS"] = "members"
apidoc_modules = [
    {
        "path": splitmodel.__path__[0],
        "destination": "_generated/api",
        "separate_modules": False,
        "module_first": True,
    }
]
# The public names of the package are documented where they are defined.
autodoc_default_options = {"ignore-module-all": True}
autodoc_member_order = "bysource"
# Every page has the contents of the whole site beside it: with each function in there, writing them
# takes three times as long.
toc_object_entries = False
autodoc_typehints = "none"
# Else aliases of types are looked for in modules of Python that have no source.
viewcode_follow_imported_members = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# A field's docstring is prose: what stands before its first colon is not a type.
GoogleDocstring._parse_attribute_docstring = GoogleDocstring._consume_to_end

nitpicky = True
# Names of other packages are not resolved: that would need the network at build time.
nitpick_ignore_regex = [
    ("py:.*", r"(collections|equinox|enum|jax|jaxtyping|numpy|typing|xarray|zipfile)\..*")
]


def spread_out(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Put pages that are executed, which take long, far from each other.

    Neighbours are read by the same process.
    """
    executed = [name for name in names if not name.startswith("_generated/")]
    others = [name for name in names if name.startswith("_generated/")]
    between = -(-len(others) // max(len(executed), 1))
    names[:] = [
        each
        for place, name in enumerate(executed)
        for each in (name, *others[place * between : (place + 1) * between])
    ]


def setup(app: Sphinx) -> None:
    """Order the pages before they are read."""
    app.connect("env-before-read-docs", spread_out)
