"""The rules that keep the package readable: import direction, units in names, small files."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from splitmodel.units import UNITS, unit_of

ROOT = Path(__file__).parent.parent
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
]
PYTHON = [path for path in TRACKED if path.suffix == ".py" and path.exists()]
PACKAGE = [path for path in PYTHON if path.is_relative_to(ROOT / "splitmodel")]

PIPELINE = [
    {"codes", "compilation", "errors", "results", "units", "variables"},
    {"parameters"},
    {"specs"},
    {"roofline"},
    {"iteration"},
    {"economics"},
    {"queueing"},
    {"cluster", "simulate"},
    {"programs"},
    {"interval"},
    {"evaluate"},
    {"sweep"},
    {"provision"},
    {"validation"},
    {"plotting"},
    {"cli"},
]
"""Stages in the order of the pipeline; a stage imports earlier ones or its own module."""
RANK = {module: rank for rank, stage in enumerate(PIPELINE) for module in stage}
BASIS = PIPELINE[0]
"""The one stage whose modules may import each other."""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parts_imported(path: Path) -> Iterator[str]:
    """First component under `splitmodel` of each import in a file, or the foreign package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            yield rest.partition(".")[0] if package == "splitmodel" and rest else package


@pytest.mark.parametrize("path", PACKAGE, ids=relative)
def test_imports_follow_the_pipeline(path):
    own = path.relative_to(ROOT / "splitmodel").parts[0].removesuffix(".py")
    imported = set(parts_imported(path)) - {own}
    assert not imported & {"splitmodel", "splitmodel_calibration", "splitmodel_studies"}
    if own == "__init__":
        return
    assert own in RANK, f"{own} has no place in the pipeline"
    allowed = BASIS if own in BASIS else {name for name in RANK if RANK[name] < RANK[own]}
    assert imported & RANK.keys() <= allowed


def documented_units(path: Path) -> Iterator[tuple[str, str]]:
    """Names with the unit that their documentation gives: fields, constants and arguments."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = node.body if isinstance(node, ast.Module | ast.ClassDef) else []
        for statement, text in pairwise(body):
            match statement, text:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(doc))):
                    if units := re.findall(r"\[([^\]]+)\]", doc.splitlines()[0]):
                        yield name, units[-1]
        if isinstance(node, ast.FunctionDef) and (doc := ast.get_docstring(node)):
            yield from re.findall(r"^ {4}(\w+): .*\[([^\]]+)\]\.?$", doc, re.MULTILINE)


@pytest.mark.parametrize("path", PACKAGE, ids=relative)
def test_documented_units_agree_with_suffixes(path):
    for name, unit in documented_units(path):
        if unit in UNITS.values():
            assert unit_of(name) == unit, f"{name} is documented in {unit}"


def test_files_are_short():
    lines = {relative(path): len(path.read_text().splitlines()) for path in PYTHON}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_no_path_of_somebody_s_machine():
    personal = re.compile(r"(?<![\w./:~$})-])/(home|Users|root|mnt|tmp|work)/\w")
    for path in TRACKED:
        if path.suffix in {".py", ".toml", ".md", ".yaml", ".cfg", ".ipynb", ""} and path.is_file():
            assert not personal.search(path.read_text()), relative(path)


def test_setuptools_lists_every_package():
    folders = {"splitmodel_calibration": "calibration", "splitmodel_studies": "studies"}
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert setuptools["package-dir"] == folders
    names = {folder: name for name, folder in folders.items()} | {"splitmodel": "splitmodel"}
    found = set()
    for path in PYTHON:
        top, *rest = path.parent.relative_to(ROOT).parts or ("",)
        if path.name == "__init__.py" and top in names:
            found.add(".".join([names[top], *rest]))
    assert set(setuptools["packages"]) == found
