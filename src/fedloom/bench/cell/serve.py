"""The server of one cell: ``python -m fedloom.bench.cell.serve --study … --cell …``.

It opens the way in, waits for exactly the cell's clients, carries out all rounds, and leaves
``cell.json`` last. A cell that was interrupted goes on after its last finished round. The exit
code is 0 where there is an outcome, whatever it is.
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

__all__ = ["main"]

WAIT_SECONDS = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one cell and return the exit code."""
    given = _parse(arguments)
    if given.end_with_parent:
        from fedloom.bench.cell.parent import end_with_parent

        end_with_parent()
    log_to_stderr()
    return end_with_exit_code(partial(_serve, given))


def _parse(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m fedloom.bench.cell.serve", description=__doc__)
    add_common_arguments(parser)
    add = parser.add_argument
    add("--folder", required=True, type=Path, help="takes the results")
    add("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes a free one")
    add("--certificates", type=Path, metavar="FOLDER", help="ca.pem, server.pem, server.key: TLS")
    add("--ready-file", type=Path, metavar="FILE", help="holds the address, once it answers")
    add(
        "--limit-s",
        type=float,
        default=WAIT_SECONDS,
        metavar="N",
        help="seconds that the clients may take to come",
    )
    return parser.parse_args(arguments)


def _serve(given: Namespace) -> None:
    check_limit(given.limit_s)
    study, cell = find_cell(given)
    os.environ["KERAS_BACKEND"] = cell.backend
    from fedloom.bench.cell.server import CellServer
    from fedloom.bench.places import CellPlace

    server = CellServer(study, given.run, cell, CellPlace(given.folder), wait_s=given.limit_s)
    server.carry_out(given.listen, given.certificates, given.ready_file)


if __name__ == "__main__":
    sys.exit(main())
