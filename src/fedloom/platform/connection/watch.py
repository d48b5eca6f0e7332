"""Waiting for a task, round by round, also over a restart of the API."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fedloom.errors import LinkError
from fedloom.platform.task import Task

__all__ = ["NotInTimeError", "RoundObserver", "wait_for"]

RoundObserver: TypeAlias = Callable[[Mapping[str, Any], Task], None]
"""Called with each finished round's row, in order and once, and the task."""

_FIRST_LOOK_S = 0.2
_LOOK_S = 1.0
_PATIENCE_S = 60.0
"""An API that is away for longer is given up."""


class NotInTimeError(LinkError):
    """What was waited for did not come in time; it may still come."""


def wait_for(
    look: Callable[[], Task],
    list_rounds: Callable[[int], list[dict[str, Any]]],
    *,
    timeout_s: float | None = None,
    on_round: RoundObserver | None = None,
    on_look: Callable[[Task], None] | None = None,
) -> Task:
    """Return a task once it has ended, however it ended.

    Args:
        look: returns the task as it is.
        list_rounds: returns the rows of the rounds after one.
        timeout_s: seconds after which the waiting ends; None takes as long as the task does.
        on_round: called for each round.
        on_look: called with the task at each look.

    Raises:
        NotInTimeError: the task has not ended in time.
        FedloomError: the API says no, or is away for a minute.
    """
    ends = None if timeout_s is None else time.monotonic() + timeout_s
    pause_s, seen, reached = _FIRST_LOOK_S, 0, time.monotonic()
    while True:
        try:
            task = look()
            if on_look is not None:
                on_look(task)
            if on_round is not None and (task.rounds_done > seen or task.status.is_final):
                seen = _tell(list_rounds(seen), task, seen, on_round)
            if task.status.is_final:
                return task
            reached = time.monotonic()
            state = f"task {task.id} is still {task.status} after {timeout_s or 0:g} s"
        except LinkError as error:
            if time.monotonic() - reached > _PATIENCE_S:
                raise
            state = f"no word of the task for {timeout_s or 0:g} s: {error}"
        if ends is not None and time.monotonic() + pause_s > ends:
            raise NotInTimeError(state)
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, _LOOK_S)


def _tell(rows: list[dict[str, Any]], task: Task, seen: int, on_round: RoundObserver) -> int:
    for row in sorted(rows, key=lambda row: row.get("round", 0)):
        number = row.get("round", 0)
        if number > seen:
            on_round(row, task)
            seen = number
    return seen
