"""The process of a SuperLink: ``python -m fedloom.fleet.flower.superlink_child …``.

It is Flower's own command with three things added: its database is made whole or not at all; a
request waits longer for its turn at the database, where Flower answers with an error after 5 s,
which hundreds of nodes bring about; and it ends when whoever started it is gone, which it notices
by its standard input. So a killed coordinator leaves no server behind on the port.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

__all__ = ["main", "serve"]

_STANDARD_INPUT = 0

_DATABASE_SECONDS = 25.0
"""How long a request waits for its turn at the database; its caller gives up after 30 s."""

_GRACE_SECONDS = 5.0
"""How long the server may take to end by itself."""


def main() -> None:
    """Serve until told to stop, or until standard input ends."""
    Thread(target=_end_with_parent, daemon=True, name="parent").start()
    serve()


def serve() -> None:
    """Serve until told to stop, by the arguments of this process."""
    _wait_for_the_database()
    from flwr.superlink.cli import flower_superlink

    from fedloom.fleet.flower.superlink_database import make_database

    if "--database" in sys.argv:  # not where it is only asked for its arguments
        make_database(Path(sys.argv[sys.argv.index("--database") + 1]))
    flower_superlink()


def _wait_for_the_database() -> None:
    """Let SQLite wait longer for its turn; before Flower imports what says how long."""
    constant: Any = import_module("flwr.supercore.constant")
    wanted = {**dict(constant.SQLITE_PRAGMAS), "busy_timeout": f"{1000 * _DATABASE_SECONDS:.0f}"}
    constant.SQLITE_PRAGMAS = tuple(wanted.items())


def _end_with_parent() -> None:
    # Not through `sys.stdin`: its lock, held by this thread, would crash the interpreter's end.
    while os.read(_STANDARD_INPUT, 1):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
    sleep(_GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
