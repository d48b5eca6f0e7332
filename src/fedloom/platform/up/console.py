"""What a process tells: short lines for people, and a log with everything."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Lock
from time import monotonic

from fedloom.files import output_errors
from fedloom.platform.config.config import LogLevel

__all__ = ["Console", "log_to_file", "log_to_stderr"]

_LOGGER = logging.getLogger("fedloom.up")
_FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LARGEST_BYTES = 10 * 1024**2
_CHATTY = (
    "httpx",
    "httpcore",
    "kombu",
    "amqp",
    "asyncio",
    "uvicorn.access",
    "alembic",
    "multipart",
)
"""Others' loggers that tell of every single request."""


class Console:
    """Lines for people, each with the seconds since the start; safe from several threads.

    Args:
        write: takes a line; None prints it.
    """

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._write = write or _print
        self._begun, self._lock = monotonic(), Lock()

    def say(self, text: str) -> None:
        """Tell something that has just happened; it goes into the log as well."""
        _LOGGER.info("%s", text)
        with self._lock:
            self._write(f"{monotonic() - self._begun:6.1f} s  {text}")

    def show(self, text: str) -> None:
        """Print lines as they are, and not into the log: they may hold a secret."""
        with self._lock:
            self._write(text)


def log_to_file(path: Path, level: LogLevel) -> None:
    """Let this process's log go into a file, which is begun anew when it is large.

    Raises:
        OutputError: it cannot be written.
    """
    with output_errors(path):
        handler = RotatingFileHandler(path, maxBytes=_LARGEST_BYTES, backupCount=5)
    _set_up(handler, level)


def log_to_stderr(level: LogLevel) -> None:
    """Let this process's log go to standard error."""
    _set_up(logging.StreamHandler(), level)


def _set_up(handler: logging.Handler, level: LogLevel) -> None:
    handler.setFormatter(logging.Formatter(_FORM))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _print(line: str) -> None:
    try:
        print(line, flush=True)
    except (BrokenPipeError, OSError):  # the terminal is gone, and so will we be, by its signal
        sys.stdout = None
