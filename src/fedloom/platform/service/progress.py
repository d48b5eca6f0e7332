"""How far a task is, what it said, and what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from fedloom.errors import ConflictError
from fedloom.platform.identity import Identity, Permission, require
from fedloom.platform.registry import download_weights, get_version
from fedloom.platform.service.desk import Desk
from fedloom.platform.service.table_file import (
    RecordTable,
    TableForm,
    list_metrics,
    write_table_file,
)
from fedloom.platform.store import DocumentKind, Event, EventKind, Log, StoredDocument

__all__ = ["ProgressService"]


class ProgressService(Desk):
    """What people see of a task while it runs and afterwards."""

    def rounds(self, who: Identity, task_id: int, after: int = 0) -> list[dict[str, Any]]:
        """Return the rows of the rounds after one."""
        self._see_task(who, task_id)
        return self.store.rounds(task_id, after)

    def clients(
        self,
        who: Identity,
        task_id: int,
        round: int | None = None,  # noqa: A002, a column's name
        client_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return clients' rows: all, those of a round, those of a client."""
        self._see_task(who, task_id)
        return self.store.clients(task_id, round, client_id)

    def logs(self, who: Identity, task_id: int, after_id: int = 0, limit: int = 100) -> list[Log]:
        """Return pieces of a task's log after one, in their order."""
        self._see_task(who, task_id)
        return self.store.logs(task_id, after_id, limit)

    def documents(
        self,
        who: Identity,
        task_id: int,
        round: int | None = None,  # noqa: A002, a column's name
        client_id: str | None = None,
        kind: DocumentKind | None = None,
    ) -> list[StoredDocument]:
        """Return what clients said beside the numbers: validations and metadata, whole."""
        self._see_task(who, task_id)
        return self.store.documents(task_id, round=round, client_id=client_id, kind=kind)

    def records(
        self,
        who: Identity,
        task_id: int,
        table: RecordTable | str,
        form: TableForm | str,
    ) -> bytes:
        """Return a table of a task's records as a file, in the columns of `fedloom.records`."""
        self._see_task(who, task_id)
        table, form = RecordTable(table), TableForm(form)
        read: dict[RecordTable, Callable[[int], Iterable[dict[str, Any]]]] = {
            RecordTable.CLIENTS: self.store.clients,
            RecordTable.ROUNDS: self.store.rounds,
            RecordTable.METRICS: self._metrics,
        }
        return write_table_file(read[table](task_id), table, form)

    def _metrics(self, task_id: int) -> Iterator[dict[str, Any]]:
        """Yield the numbers of finished rounds, round by round: documents can be large."""
        for row in self.store.rounds(task_id):
            documents = self.store.documents(task_id, round=int(row["round"]))
            yield from list_metrics(str(row.get("run_id") or ""), documents)

    def result(self, who: Identity, task_id: int) -> Path:
        """Return the file of a finished task's weights (npz); it must not be changed.

        Raises:
            ConflictError: the task has left none.
            LinkError: the registry cannot be reached.
        """
        task = self._see_task(who, task_id)
        if task.result_model is None or task.result_version is None:
            raise ConflictError(f"task {task_id} is {task.status} and has left no model")
        version = get_version(self.registry, task.result_model, task.result_version)
        return download_weights(self.registry, version)

    def events(
        self, who: Identity, after_id: int = 0, task_id: int | None = None, limit: int = 100
    ) -> list[Event]:
        """Return the events after one that somebody may see, in their order."""
        return self.follow_events(who, after_id, task_id, limit)[0]

    def follow_events(
        self, who: Identity, after_id: int = 0, task_id: int | None = None, limit: int = 100
    ) -> tuple[list[Event], int]:
        """Return the events after one, and the number to go on after.

        News of tokens is for those who manage them.
        """
        require(who, Permission.VIEW)
        found = self.store.events(after_id, task_id, limit)
        last = found[-1].id if found else after_id
        if not who.may(Permission.MANAGE_TOKENS):
            found = [event for event in found if event.kind is not EventKind.TOKEN]
        return found, last

    def _see_task(self, who: Identity, task_id: int) -> Any:
        """Return a task; a question about one that is not there is refused, not answered empty."""
        require(who, Permission.VIEW)
        return self.store.get_task(task_id)
