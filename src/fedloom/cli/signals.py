"""Signals that end a command which has started processes of others."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["end_like_interrupt"]


@contextmanager
def end_like_interrupt() -> Iterator[None]:
    """Let a request to end, or a terminal that closes, stop a command as Ctrl-C does.

    What it started lies in sessions of its own, which the system would not end with it. A signal
    that is ignored, as under ``nohup``, stays so.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    heeded = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
