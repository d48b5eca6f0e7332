"""What all open pages of one task share: its rounds, and how its clients spread in each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from fedloom.platform.identity import Identity
from fedloom.platform.store import Event, EventKind
from fedloom.platform.task import Task
from fedloom.platform.ui.series import Band, band_of, read_scalars, thin

if TYPE_CHECKING:
    from fedloom.platform.service import Service

__all__ = ["FEW_CLIENTS", "MAX_CHOSEN", "Feeds", "TaskFeed", "TaskView"]

FEW_CLIENTS = 8
"""Up to so many clients are drawn as a line each."""
MAX_CHOSEN = 8
"""Clients that somebody may choose to see as a line beside the band."""
_AGAIN = frozenset({EventKind.ROUNDS_CUT, EventKind.TASK_RESUMED})
_MAX_ROWS = 20_000
_SPARSE_ROUNDS = 60

Line = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class TaskView:
    """A task as it was read.

    Attributes:
        task: the task.
        rounds: rows of its rounds, in their order.
        bands: how the clients spread, by round and metric; with very many rows, in some rounds.
        lines: numbers by client, round and metric, where there are few clients.
        last_clients: rows of the clients of the last round that has any.
    """

    task: Task
    rounds: Sequence[Mapping[str, Any]] = ()
    bands: Mapping[int, Mapping[str, Band]] = field(default_factory=dict)
    lines: Mapping[str, Line] = field(default_factory=dict)
    last_clients: Sequence[Mapping[str, Any]] = ()

    @property
    def client_ids(self) -> list[str]:
        """Names of the clients of the last round."""
        return [str(row["client_id"]) for row in self.last_clients]


@dataclass
class TaskFeed:
    """Reads what is new of a task, and keeps the rest.

    Attributes:
        service: what is asked.
        who: in whose name; a viewer.
        task_id: which task.
    """

    service: Service
    who: Identity
    task_id: int
    _rounds: list[Mapping[str, Any]] = field(default_factory=list)
    _bands: dict[int, dict[str, Band]] = field(default_factory=dict)
    _lines: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)
    _last: Sequence[Mapping[str, Any]] = ()
    _last_round: int = 0
    _turn: Lock = field(default_factory=Lock)

    def read(self) -> TaskView:
        """Read what is new, and return all; blocks.

        Raises:
            NotFoundError: the task is gone.
            LinkError: the database cannot be reached.
        """
        with self._turn:
            task = self.service.get_task(self.who, self.task_id)
            after = int(self._rounds[-1]["round"]) if self._rounds else 0
            new = self.service.rounds(self.who, self.task_id, after=after)
            self._rounds += new
            self._read_clients(new)
            return TaskView(
                task, tuple(self._rounds), dict(self._bands), dict(self._lines), self._last
            )

    def client_line(self, client_id: str) -> Line:
        """Return one client's numbers, by round; blocks."""
        if client_id in self._lines:
            return self._lines[client_id]
        rows = self.service.clients(self.who, self.task_id, client_id=client_id)
        return {int(row["round"]): read_scalars(row) for row in rows}

    def _read_clients(self, new: Sequence[Mapping[str, Any]]) -> None:
        """Read the clients of new rounds, and of the one that is under way."""
        numbers = [int(row["round"]) for row in new]
        expected = sum(int(row.get("cohort_size") or row.get("participants") or 1) for row in new)
        if numbers and expected > _MAX_ROWS:
            numbers = thin(numbers, _SPARSE_ROUNDS)
        if len(numbers) > 1 and expected <= _MAX_ROWS:
            self._add(self.service.clients(self.who, self.task_id))
        else:
            for number in numbers:
                self._add(self.service.clients(self.who, self.task_id, round=number))
        under_way = (int(self._rounds[-1]["round"]) if self._rounds else 0) + 1
        self._add(self.service.clients(self.who, self.task_id, round=under_way))

    def _add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        by_round: dict[int, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_round.setdefault(int(row["round"]), []).append(row)
        for number, found in by_round.items():
            self._bands[number] = band_of(found)
            if number >= self._last_round:
                self._last, self._last_round = tuple(found), number
            if len(found) <= FEW_CLIENTS:
                self._add_lines(number, found)
            else:
                self._lines = {}

    def _add_lines(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            name = str(row["client_id"])
            if name in self._lines or len(self._lines) < 4 * FEW_CLIENTS:
                # Others may be reading the old line.
                line = {**self._lines.get(name, {}), number: read_scalars(row)}
                self._lines[name] = line


@dataclass
class Feeds:
    """The feeds of tasks whose pages were open last.

    Attributes:
        service: what is asked.
        who: in whose name.
        most: feeds that are kept.
    """

    service: Service
    who: Identity
    most: int = 32
    _kept: OrderedDict[int, TaskFeed] = field(default_factory=OrderedDict)

    def get(self, task_id: int) -> TaskFeed:
        """Return the feed of a task."""
        feed = self._kept.setdefault(task_id, TaskFeed(self.service, self.who, task_id))
        self._kept.move_to_end(task_id)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return feed

    def listen(self, events: Sequence[Event]) -> None:
        """Let tasks be read anew whose rounds were taken back, or which are gone."""
        for event in events:
            if event.kind is EventKind.TASK_DELETED:
                self._kept.clear()
            elif event.kind in _AGAIN and event.task_id is not None:
                self._kept.pop(event.task_id, None)
