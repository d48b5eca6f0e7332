"""The workers of a fleet: started, given pieces, waited for with a limit, replaced when lost."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from fedloom._version import __version__
from fedloom.errors import IncompatibleError, LinkError
from fedloom.fleet.ray.connection import Connection
from fedloom.fleet.ray.messages import Hello
from fedloom.fleet.ray.work import MAX_TRIES, Outcome, Piece, Task

__all__ = ["Crew"]

_LOGGER = logging.getLogger(__name__)

START_SECONDS = 180.0
"""How long a worker may take to start: it loads JAX and Keras, and may wait for a free core."""

GRACE_SECONDS = 60.0
"""How long a worker may go on after it was asked to end early; it ends after a call of its lane."""

_LOOK_SECONDS = 0.25
"""How often a wait looks whether it is still wanted."""

_CHECK_SECONDS = 2.0
"""How often a wait looks whether the cluster is still there."""

_FETCH_SECONDS = 600.0
"""How long a result may take from a worker's machine to this one."""


class Crew:
    """Workers on a cluster; one thread at a time uses it.

    Args:
        connection: to the cluster.
        actor: the class of workers, as Ray knows it, with what they need of the cluster.
        welcome: reference to what a worker is made with.
        count: how many workers there are to be.

    Raises:
        LinkError: no worker came up in time.
    """

    def __init__(self, connection: Connection, actor: Any, welcome: Any, count: int) -> None:
        self._connection, self._ray = connection, connection.ray
        self._actor, self._welcome, self.count = actor, welcome, count
        self._idle: deque[Any] = deque()
        self._starting: dict[Any, tuple[Any, float]] = {}
        self._busy: dict[Any, tuple[Any, Piece]] = {}
        self._checked = monotonic()
        self._last_loss = ""
        try:
            self._hire()
            while self._starting:
                self._look()
            self._refuse_empty()
        except BaseException:
            self.close()
            raise
        if len(self._idle) < count:
            _LOGGER.warning("%d of %d workers came up on Ray", len(self._idle), count)

    @property
    def workers(self) -> Sequence[Any]:
        """All workers that are up."""
        return [*self._idle, *(worker for worker, _ in self._busy.values())]

    def carry_out(self, task: Task, pieces: Sequence[Piece]) -> Outcome:
        """Do all pieces, those of lost workers again.

        Raises:
            LinkError: no worker is left, or the cluster is gone.
        """
        waiting, outcome = deque(pieces), Outcome()
        losses = MAX_TRIES * (self.count + 1)
        self._hire()
        try:
            while waiting or self._busy:
                if task.stop.is_set() or monotonic() >= task.until:
                    break
                while waiting and self._idle:
                    self._give(task, waiting.popleft())
                for piece in self._look(task):
                    losses -= 1
                    self._sort_lost(task, piece, waiting, outcome)
                    if losses >= 0:
                        self._hire()
                self._refuse_empty()
            self._end_early(task, outcome)
        except BaseException:
            self._drop_busy()
            raise
        outcome.unfinished += waiting
        return outcome

    def carry_out_all(self, task: Task, pieces: Sequence[Piece]) -> None:
        """Do all pieces, or fail.

        Raises:
            LinkError: as `carry_out`, and where a piece was given up.
        """
        for piece in self.carry_out(task, pieces).given_up:
            raise LinkError(
                f"{piece.tries} workers were lost on the Ray cluster over the same work, the last: "
                f"{piece.lost_how}"
            )

    def close(self) -> None:
        """End all workers."""
        self._drop_busy()
        for worker in [*self._idle, *(worker for worker, _ in self._starting.values())]:
            self._kill(worker)
        self._idle.clear()
        self._starting.clear()

    def _hire(self) -> None:
        """Start as many workers as are missing; they join when they are up."""
        while len(self._idle) + len(self._busy) + len(self._starting) < self.count:
            worker = self._actor.remote(self._welcome)
            self._starting[worker.hello.remote()] = worker, monotonic() + START_SECONDS

    def _give(self, task: Task, piece: Piece) -> None:
        worker = self._idle.popleft()
        self._busy[task.submit(worker, piece)] = worker, piece

    def _look(self, task: Task | None = None) -> list[Piece]:
        """Wait a moment; take what is done, and return the pieces whose workers are lost."""
        self._check()
        awaited = [*self._busy, *self._starting]
        if not awaited:
            return []
        ready, _ = self._ray.wait(awaited, num_returns=1, timeout=_LOOK_SECONDS)
        lost = [self._finish(task, ref) for ref in ready if task and ref in self._busy]
        for ref in ready:
            if ref in self._starting:
                self._admit(ref)
        self._give_up_starting()
        return [piece for piece in lost if piece is not None]

    def _finish(self, task: Task, ref: Any) -> Piece | None:
        """Take a result; return the piece if there is none because the worker is lost."""
        worker, piece = self._busy.pop(ref)
        try:
            result = self._fetch(ref)
        except _Lost as lost:
            self._note_loss(str(lost))
            self._kill(worker)
            return piece
        except BaseException:
            self._idle.append(worker)
            raise
        self._idle.append(worker)
        task.take(piece, result)
        return None

    def _admit(self, ref: Any) -> None:
        worker, _ = self._starting.pop(ref)
        try:
            hello: Hello = self._fetch(ref)
        except _Lost as lost:
            self._note_loss(str(lost))
            self._kill(worker)
            return
        if hello.version != __version__:
            self._kill(worker)
            raise IncompatibleError(
                f"Fedloom {__version__}", f"Fedloom {hello.version} on {hello.node}"
            )
        self._idle.append(worker)

    def _give_up_starting(self) -> None:
        for ref, (worker, until) in list(self._starting.items()):
            if monotonic() > until:
                del self._starting[ref]
                self._kill(worker)
                self._note_loss(
                    f"it was not up after {START_SECONDS:.0f} s; the cluster may have no free core"
                )

    def _sort_lost(self, task: Task, piece: Piece, waiting: deque[Piece], outcome: Outcome) -> None:
        for again in piece.again(self._last_loss, divisible=task.divisible):
            (outcome.given_up if again.tries >= MAX_TRIES else waiting).append(again)

    def _end_early(self, task: Task, outcome: Outcome) -> None:
        """Ask those who are still at it to end, wait a while, and kill whoever does not."""
        until = monotonic() + GRACE_SECONDS
        for worker, _ in self._busy.values():
            task.halt(worker)
        while self._busy and monotonic() < until:
            outcome.unfinished += self._look(task)
        outcome.unfinished += [piece for _, piece in self._busy.values()]
        self._drop_busy()

    def _drop_busy(self) -> None:
        """End workers whose pieces nobody waits for any more."""
        for worker, _ in self._busy.values():
            self._kill(worker)
        self._busy.clear()

    def _refuse_empty(self) -> None:
        if not (self._idle or self._busy or self._starting):
            reason = f": {self._last_loss}" if self._last_loss else ""
            raise LinkError(f"no worker of {self.count} is left on the Ray cluster{reason}")

    def _check(self) -> None:
        if monotonic() - self._checked > _CHECK_SECONDS:
            self._connection.check()
            self._checked = monotonic()

    def _note_loss(self, how: str) -> None:
        self._last_loss = how
        _LOGGER.warning("a worker on Ray is lost: %s", how)

    def _fetch(self, ref: Any) -> Any:
        """Return a result, raise what a worker raised, or `_Lost`."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(ref, timeout=_FETCH_SECONDS)
        except errors.RayTaskError as error:
            raise error.cause from None
        except errors.RayError as error:
            raise _Lost(_say_how(error)) from error

    def _kill(self, worker: Any) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(worker)


class _Lost(Exception):  # noqa: N818 - an outcome that the crew turns into another try
    """A worker is gone; the message says how."""


def _say_how(error: Exception) -> str:
    """Return the telling line of one of Ray's long messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "killed" in line or "died because" in line]
    return (telling or lines or [type(error).__name__])[0]
