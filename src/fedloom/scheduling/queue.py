"""The tasks that wait, in the order in which a policy ranks them."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush, merge
from typing import Any, TypeAlias

from fedloom.errors import InputError
from fedloom.scheduling.policy import Policy, Rank
from fedloom.scheduling.questions import Questions
from fedloom.scheduling.task import Task

__all__ = ["Entry", "Line", "TaskQueue"]

Entry: TypeAlias = tuple[Rank, int, Task]
"""A task behind its rank and its number in the order of becoming ready, which is unique."""

_FEW = 64
"""So many removed entries may lie about before the sorted part of a line is rewritten."""


class Line:
    """Tasks in order: the first ones sorted, the rest in a heap.

    Who asks for the first hundred tasks at every step gets them without sorting them anew: they are
    taken from the heap once and stay sorted. What is removed is marked, and left out later.
    """

    def __init__(self) -> None:
        # The entry at `_head`, if there is one, waits; all before it are gone.
        self._front: list[Entry] = []
        self._head = 0
        self._rest: list[Entry] = []
        self._gone: set[int] = set()
        self._waiting = 0
        self._rewritten = 0

    def __len__(self) -> int:
        return self._waiting

    def add(self, entry: Entry) -> None:
        """Put a task in its place.

        Raises:
            InputError: its rank cannot be compared with the others.
        """
        try:
            if self._head < len(self._front) and entry < self._front[-1]:
                insort(self._front, entry, lo=self._head)
                self._rewritten += 1
            else:
                heappush(self._rest, entry)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise InputError(f"its ranks cannot be compared: {error}") from error
        self._waiting += 1

    def remove(self, number: int) -> None:
        """Take out the task with this number, which must be in the line."""
        self._waiting -= 1
        front = self._front
        if self._head < len(front) and front[self._head][1] == number:
            self._head += 1
            while self._head < len(front) and front[self._head][1] in self._gone:
                self._gone.discard(front[self._head][1])
                self._head += 1
            wasted = self._head
        else:
            self._gone.add(number)
            wasted = len(self._gone)
        if wasted > _FEW and wasted > len(front) // 2:
            self._rewrite()

    def first(self) -> Entry | None:
        """Return the first entry; None where none waits."""
        if self._head == len(self._front) and not self._fetch():
            return None
        return self._front[self._head]

    def in_order(self) -> Iterator[Entry]:
        """Yield all entries in order; they may be removed, and others added, meanwhile."""
        at, seen = self._head, self._rewritten
        while True:
            at = max(at, self._head)
            if at == len(self._front) and not self._fetch():
                return
            entry = self._front[at]
            at += 1
            if entry[1] in self._gone:
                continue
            yield entry
            if seen != self._rewritten:
                at, seen = bisect_right(self._front, entry, lo=self._head), self._rewritten

    def _fetch(self) -> bool:
        """Move the first waiting entry of the heap to the end of the sorted part, if any waits."""
        while self._rest:
            try:
                entry = heappop(self._rest)
            except (TypeError, ValueError, ArithmeticError) as error:
                raise InputError(f"its ranks cannot be compared: {error}") from error
            if entry[1] not in self._gone:
                self._front.append(entry)
                return True
            self._gone.discard(entry[1])
        return False

    def _rewrite(self) -> None:
        """Leave out of the sorted part what is gone."""
        kept = [entry for entry in self._front[self._head :] if entry[1] not in self._gone]
        self._gone.difference_update(entry[1] for entry in self._front[self._head :])
        self._front, self._head = kept, 0
        self._rewritten += 1


class TaskQueue:
    """The tasks that wait for a policy: `policy.Queue`, with what puts tasks in and takes them out.

    Args:
        policy: whose `rank` and `group` say where tasks stand.

    Attributes:
        questions: what was asked since the last placement.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._grouped = type(policy).group is not Policy.group
        self._lines: dict[Any, Line] = {}
        self._places: dict[int, tuple[Task, Any, int]] = {}
        self._number = 0
        self.questions = Questions()

    def __len__(self) -> int:
        self.questions.count()
        return len(self._places)

    def __bool__(self) -> bool:
        return bool(self._places)  # the event loop asks this, and is not to be counted

    def __contains__(self, task: object) -> bool:
        place = self._places.get(task.index) if isinstance(task, Task) else None
        return place is not None and place[0] is task

    def add(self, task: Task) -> None:
        """Put a task where the policy wants it.

        Raises:
            InputError: its rank or its group cannot serve as one.
        """
        rank = self._policy.rank(task)
        group = self._policy.group(task) if self._grouped else None
        if isinstance(rank, float) and rank != rank:
            raise InputError(f"rank() of task {task.node_id} of {task.request_id} is no number")
        try:
            line = self._lines.get(group)
        except TypeError as error:
            raise InputError(f"group() gives {group!r}, which cannot name a line") from error
        if line is None:
            line = self._lines[group] = Line()
        line.add((rank, self._number, task))
        self._places[task.index] = (task, group, self._number)
        self._number += 1

    def remove(self, task: Task) -> None:
        """Take a task out; it must be in."""
        _, group, number = self._places.pop(task.index)
        line = self._lines[group]
        line.remove(number)
        if not line:
            del self._lines[group]

    def first(self, group: Any = None) -> Task | None:
        """Return the first task, of all or of one group; None where none waits."""
        self.questions.count()
        if group is None and len(self._lines) > 1:
            return next(self.in_order(1), None)
        line = next(iter(self._lines.values()), None) if group is None else self._lines.get(group)
        entry = None if line is None else line.first()
        return None if entry is None else entry[2]

    def groups(self) -> Iterable[Any]:
        """Return the groups in which tasks wait."""
        self.questions.count()
        return tuple(self._lines)

    def in_order(self, limit: int, group: Any = None) -> Iterator[Task]:
        """Yield the first `limit` tasks in order; they may be placed meanwhile."""
        self.questions.count()
        lines = list(self._lines.values()) if group is None else [self._lines.get(group) or Line()]
        entries = lines[0].in_order() if len(lines) == 1 else merge(*map(Line.in_order, lines))
        if limit < 1:
            return
        for _, _, task in entries:
            if task.index in self._places:  # it may have been placed while others were looked at
                yield task
                limit -= 1
                if limit < 1:
                    return
