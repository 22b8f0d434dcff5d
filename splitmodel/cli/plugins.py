"""Subcommands of packages that are installed as extras.

Such a package declares an entry point in the group `splitmodel.commands`, named as its subcommand,
whose object is a `cyclopts.App`. It is loaded only when its subcommand runs.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated, NamedTuple

from cyclopts import App, Parameter

from splitmodel.errors import InputError


class Plugin(NamedTuple):
    """A subcommand that is found, not built in."""

    extra: str
    """Extra that brings it."""
    summary: str


PLUGINS = {
    "calibrate": Plugin("calibration", "Fit the model's parameters to measurements."),
    "study": Plugin("studies", "Repeat a published result and check it."),
}


def delegate(name: str) -> Callable[..., None]:
    """Function that hands all words after the subcommand's name to its package."""

    def command(
        *words: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)],
    ) -> None:
        _load(name)(words, exit_on_error=False, print_error=False, result_action="return_value")

    return command


def _load(name: str) -> App:
    install = f"pip install 'splitmodel[{PLUGINS[name].extra}]'"
    found = entry_points(group="splitmodel.commands", name=name)
    if not found:
        raise InputError(f"{name}: not installed; {install}")
    try:
        return next(iter(found)).load()
    except ModuleNotFoundError as problem:
        raise InputError(f"{name}: needs the module {problem.name}; {install}") from problem
