"""One client of one cell: ``python -m fedloom.bench.cell.take_part --study … --index I …``.

It loads its own shard, trains and scores on order, measures, and ends when the cell does. The exit
code is 0 where it was told so, and 1 where the server stayed away for too long.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fedloom.bench.cell.arguments import (
    add_common_arguments,
    check_limit,
    end_with_exit_code,
    find_cell,
    log_to_stderr,
)
from fedloom.errors import InputError

__all__ = ["main"]

AWAY_SECONDS = 180.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Be one client and return the exit code."""
    given = _parse(arguments)
    if given.end_with_parent:
        from fedloom.bench.cell.parent import end_with_parent

        end_with_parent()
    log_to_stderr()
    return end_with_exit_code(partial(_take_part, given))


def _parse(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m fedloom.bench.cell.take_part", description=__doc__)
    add_common_arguments(parser)
    add = parser.add_argument
    add("--index", required=True, type=int, metavar="I", help="which shard it holds, from 0")
    add("--instance-id", required=True, metavar="ID", help="what logs call its machine")
    add("--server", required=True, metavar="URL", help="http://… or https://…")
    add("--authority", type=Path, metavar="FILE", help="PEM of who signed the server's certificate")
    add("--log", required=True, type=Path, metavar="FILE", help="takes what it used")
    add(
        "--limit-s",
        type=float,
        default=AWAY_SECONDS,
        metavar="N",
        help="seconds that the server may stay away",
    )
    return parser.parse_args(arguments)


def _take_part(given: Namespace) -> None:
    check_limit(given.limit_s)
    study, cell = find_cell(given)
    if not 0 <= given.index < cell.clients:
        raise InputError(f"index={given.index}: {cell.id} has clients 0 to {cell.clients - 1}")
    os.environ["KERAS_BACKEND"] = cell.backend
    from fedloom.bench.cell.belonging import Belonging
    from fedloom.bench.cell.client import CellClient

    client = CellClient(
        study.plan_of(cell),
        Belonging(given.run, cell.id),
        given.index,
        server=given.server,
        authority=given.authority,
    )
    client.run(given.log, given.instance_id, cell, away_s=given.limit_s)


if __name__ == "__main__":
    sys.exit(main())
