"""Ending with whoever started this process: its death closes our standard input."""

from __future__ import annotations

import os
import signal
from threading import Thread
from time import sleep

__all__ = ["end_with_parent"]

_GRACE_SECONDS = 5.0
"""How long this process may take to end by itself."""


def end_with_parent() -> None:
    """End this process as a request to end would, once standard input ends; returns at once."""
    Thread(target=_watch, daemon=True, name="parent").start()


def _watch() -> None:
    # Not through `sys.stdin`: its lock, held by this thread, would crash the interpreter's end.
    while os.read(0, 1):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
    sleep(_GRACE_SECONDS)
    os._exit(1)
