"""The program `splitmodel`."""

from splitmodel.cli.app import main

__all__ = ["main"]
