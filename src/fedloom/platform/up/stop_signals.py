"""Waiting in the main thread until somebody asks the process to end."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self

__all__ = ["StopSignals"]

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Ctrl-C, a request to end and a terminal that closes, as something to wait for.

    A handler only writes into a pipe: it runs between any two steps of the main thread, where it
    may take no lock. A second signal ends the process at once, its children with it.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before: dict[signal.Signals, object] = {}
        self._asked = 0

    @property
    def asked(self) -> bool:
        """Whether somebody has asked."""
        return self._asked > 0

    def wait(self, timeout_s: float) -> bool:
        """Wait until somebody asks; return whether somebody has."""
        if not self.asked:
            select.select([self._reader], [], [], timeout_s)
        return self.asked

    def ask(self) -> None:
        """Ask from inside of the process, from any thread."""
        self._asked += 1
        with suppress(OSError):  # nobody waits any more
            os.write(self._writer, b".")

    def __enter__(self) -> Self:
        for number in _ENDING:
            if number is signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._reader)
        os.close(self._writer)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._asked >= 1 and number == signal.SIGINT:
            os._exit(130)
        self.ask()
