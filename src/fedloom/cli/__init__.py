"""The command line: parses, calls, prints. One file per command, imported when it is asked for."""

from __future__ import annotations

from fedloom.cli.program import main

__all__ = ["main"]
