"""Keeping a part running: start it, look after it, start it again after growing pauses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from time import monotonic
from typing import Protocol

from fedloom.errors import FedloomError

__all__ = ["Keeper", "Part", "Say"]

Say = Callable[[str], None]
"""Tells people what happens, a line at a time; safe from several threads."""

_LOOK_SECONDS = 0.3
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0
"""After running for so long the next pause is short again."""


class Part(Protocol):
    """What can be kept running: a child process, a SuperLink, a gateway."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    def start(self) -> object:
        """Start it; may wait until it answers."""

    def stop(self) -> None:
        """End it; may be called twice, and while `start` waits."""


class Keeper:
    """Keeps one part running, in a thread of its own, until it is stopped.

    Args:
        name: what people call it.
        part: what is kept.
        say: tells people that it ended and is started again.
        started: called after each start.
        why: says in a word why it ended, for people.
    """

    def __init__(
        self,
        name: str,
        part: Part,
        say: Say,
        *,
        started: Callable[[], None] = lambda: None,
        why: Callable[[], str] = lambda: "",
    ) -> None:
        self.name, self.part = name, part
        self._say, self._started, self._why = say, started, why
        self._stop = Event()
        self._thread = Thread(target=self._run, name=f"keep {name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 15.0) -> None:
        """End the part for good; may be called twice."""
        self._stop.set()
        self.part.stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self.part.stop()  # in case it was being started

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            begun = monotonic()
            reason = self._keep_once()
            if self._stop.is_set():
                return
            if monotonic() - begun > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._say(f"{self.name} ended{reason}; it is started again in {pause:g} s")
            self._stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _keep_once(self) -> str:
        """Start the part and wait until it ends; return why, as far as anybody knows."""
        try:
            self.part.start()
        except FedloomError as error:
            with suppress(FedloomError):
                self.part.stop()
            return f": {error}"
        self._started()
        while self.part.alive and not self._stop.wait(_LOOK_SECONDS):
            pass
        why = self._why()
        return f": {why}" if why else ""
