"""`fedloom schedule --check`: what the independent checker says about an execution log."""

from __future__ import annotations

from pathlib import Path

import typer

from fedloom.cli.printing import print_json
from fedloom.cli.schedule_choices import ProblemParts, read_problem
from fedloom.scheduling.check.log import check_log
from fedloom.scheduling.log.read import read_log

__all__ = ["check_file"]


def check_file(log: Path, parts: ProblemParts | None, *, as_json: bool, quiet: bool) -> None:
    """Print what the checker says about a log.

    Args:
        log: an execution log, ours or one of the studied system.
        parts: the problem that it answers; None: the log is checked by itself.
        as_json: print JSON.
        quiet: print nothing.

    Raises:
        InputError: the log, or a part of the problem, cannot be read.
        typer.Exit: with code 1, a rule is broken.
    """
    executed = read_log(log)
    problem = None if parts is None else read_problem(parts, shown=not (quiet or as_json))
    report = check_log(executed, problem)
    if as_json:
        print_json(report.to_dict())
    elif not quiet:
        for line in report.lines():
            print(line)
    if not report.ok:
        raise typer.Exit(1)
