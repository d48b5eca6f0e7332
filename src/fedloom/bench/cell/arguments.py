"""What both processes of a cell are told on their command lines."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from fedloom.bench.cell_id import Cell
from fedloom.bench.study import Study
from fedloom.bench.study_file import read_study
from fedloom.errors import FedloomError, InputError, NotFoundError

__all__ = [
    "add_common_arguments",
    "check_limit",
    "end_with_exit_code",
    "find_cell",
    "log_to_stderr",
]

_CHATTY = ("httpx", "jax")


def add_common_arguments(parser: ArgumentParser) -> None:
    """Let a process be told which cell of which run it is of."""
    add = parser.add_argument
    add("--study", required=True, type=Path, metavar="FILE", help="the study, as YAML")
    add("--run", required=True, metavar="ID", help="of the run")
    add("--cell", required=True, metavar="ID", help="of the cell, such as jax-FedAvg-2")
    add("--end-with-parent", action="store_true", help="end when standard input ends")


def find_cell(given: Namespace) -> tuple[Study, Cell]:
    """Return the study and its cell that a process was told.

    Raises:
        DataError: the study cannot be read.
        NotFoundError: it has no such cell.
    """
    study = read_study(given.study)
    for cell in study.cells():
        if cell.id == given.cell:
            return study, cell
    raise NotFoundError(f"cell={given.cell}: {given.study} has no such cell")


def log_to_stderr() -> None:
    """Let this process say what it does."""
    shape = "%(asctime)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=shape, stream=sys.stderr)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def end_with_exit_code(carry_out: Callable[[], None]) -> int:
    """Carry out what a process is for; return its exit code, and print why it failed."""
    try:
        carry_out()
    except FedloomError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return error.exit_code
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return 0


def check_limit(limit_s: float) -> float:
    """Return a limit in seconds.

    Raises:
        InputError: it is none.
    """
    if not 0 < limit_s < float("inf"):
        raise InputError(f"limit_s={limit_s}: a positive number of seconds would be right")
    return limit_s
