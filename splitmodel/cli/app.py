"""The subcommands under one name, and errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from inspect import getdoc
from textwrap import dedent, indent

from cyclopts import App, CycloptsError

from splitmodel.cli.evaluate import evaluate_command
from splitmodel.cli.listing import list_command
from splitmodel.cli.max_rate import max_rate_command
from splitmodel.cli.plugins import PLUGINS, delegate
from splitmodel.cli.provision import provision_command
from splitmodel.cli.sweep import sweep_command
from splitmodel.cli.validate import validate_command
from splitmodel.compilation import collecting_seldom, keep_compiled
from splitmodel.errors import InputError

app = App(
    name="splitmodel",
    version=version("splitmodel"),
    help="Which machines, how many, in which roles? Provisioning of LLM inference clusters.",
    help_format="markdown",
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)


def _examples(command: Callable[..., None]) -> str:
    """The examples of a docstring, its last section, for the end of the help."""
    lines = (getdoc(command) or "").partition("Examples:\n    ::\n")[2]
    return "Examples:\n" + indent(dedent(lines), " " * 4)


COMMANDS = {
    "provision": provision_command,
    "max-rate": max_rate_command,
    "sweep": sweep_command,
    "evaluate": evaluate_command,
    "validate": validate_command,
    "list": list_command,
}
for name, command in COMMANDS.items():
    app.command(command, name=name, help_epilogue=_examples(command))
for name, plugin in PLUGINS.items():
    app.command(delegate(name), name=name, help=plugin.summary, help_flags=())


def main(words: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        words: command line after the program's name; by default that of the process.

    Returns:
        0, or 2 for input that cannot be used, which one line on standard error names.
    """
    keep_compiled()
    try:
        with collecting_seldom():
            app(words)
    except (InputError, CycloptsError) as problem:
        print("splitmodel:", *str(problem).split(), file=sys.stderr)
        return 2
    return 0
