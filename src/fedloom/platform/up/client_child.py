"""A client of `fedloom up`: ``python -m fedloom.platform.up.client_child FILE READY``.

It ends when whoever started it is gone, which it notices by its standard input.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from fedloom.errors import FedloomError
from fedloom.platform.client.config import load_node_config
from fedloom.platform.config.config import LogLevel
from fedloom.platform.up.client import run_client
from fedloom.platform.up.console import log_to_stderr

__all__ = ["main"]


def main(file: Path, ready: Path) -> int:
    """Be the node that a file describes; return the exit code."""
    log_to_stderr(LogLevel.INFO)
    try:
        run_client(load_node_config(file), file=file, ready=ready, child=True)
    except FedloomError as error:
        logging.getLogger("fedloom").error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
