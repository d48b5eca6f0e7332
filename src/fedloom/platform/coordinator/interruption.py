"""Why a task stops before its last round, and how that is noticed everywhere."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from threading import Event
from typing import TypeVar

from fedloom.errors import FedloomError, LinkError

__all__ = ["Cause", "Interruption", "StoppedError"]

_Result = TypeVar("_Result")
_OUTAGE_S = 600.0
_PAUSE_S = 1.0


class Cause(StrEnum):
    """Why a task is to stop."""

    TAKEN = "taken"
    """It was cancelled or deleted, or another coordinator has it: nothing more may be written."""
    OVERDUE = "overdue"
    """Its deadline has passed."""
    RELEASED = "released"
    """This coordinator stops; another one is to go on."""


class StoppedError(FedloomError):
    """A task stops before its last round; it stays within the coordinator."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(f"the task was stopped: {cause}")
        self.cause = cause


class Interruption:
    """A request to stop; any thread may make it, and the first cause counts."""

    def __init__(self) -> None:
        self._asked = Event()
        self.cause: Cause | None = None

    def __bool__(self) -> bool:
        """Whether the task is to stop."""
        return self._asked.is_set()

    def ask(self, cause: Cause) -> None:
        """Ask the task to stop."""
        if self.cause is None or cause is Cause.TAKEN:
            self.cause = cause
        self._asked.set()

    def check(self) -> None:
        """Raise if the task is to stop.

        Raises:
            StoppedError: with the cause.
        """
        if self._asked.is_set():
            raise StoppedError(self.cause or Cause.RELEASED)

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the task is to stop."""
        self._asked.wait(seconds)

    def insist(self, write: Callable[[], bool]) -> None:
        """Write something into the store, through outages of the database.

        Args:
            write: returns False where the lease is lost.

        Raises:
            StoppedError: the lease is lost, or the task is to stop.
            LinkError: the database stayed away for ten minutes.
        """
        waited = 0.0
        while True:
            try:
                written = write()
            except LinkError:
                if waited >= _OUTAGE_S:
                    raise
                self.check()
                self.wait(_PAUSE_S)
                waited += _PAUSE_S
                continue
            if not written:
                self.ask(Cause.TAKEN)
                self.check()
            return
