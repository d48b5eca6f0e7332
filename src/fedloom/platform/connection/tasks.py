"""A platform's tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from fedloom.errors import LinkError
from fedloom.platform.connection.asked import ask_by_plan, fill_in
from fedloom.platform.connection.link import ApiLink
from fedloom.platform.connection.models import Models
from fedloom.platform.connection.packages import Packages
from fedloom.platform.connection.values import LogPiece, StoredDocument, read_list, read_value
from fedloom.platform.connection.watch import RoundObserver, wait_for
from fedloom.platform.task import Task, TaskStatus

if TYPE_CHECKING:
    import polars as pl

    from fedloom.experiment.plan import Plan

__all__ = ["Tasks"]

_Found: TypeAlias = list[Task]
_Rows: TypeAlias = list[dict[str, Any]]
_PAGE = 100
_LOG_PAGE = 1000


class Tasks:
    """What can be done with tasks; all of it raises `FedloomError` where the platform says no.

    Args:
        link: to the API.
        models: finds versions.
        packages: takes what a plan names.
    """

    def __init__(self, link: ApiLink, models: Models, packages: Packages) -> None:
        self._link, self._models, self._packages = link, models, packages

    def create(
        self,
        *,
        plan: str | PathLike[str] | Mapping[str, Any] | Plan | None = None,
        **fields: Any,
    ) -> Task:
        """Ask for a task.

        Args:
            plan: a plan, or a file with one, which the platform carries out with the nodes' data.
                A package that it names is pushed first.
            fields: of `fedloom.platform.task.NewTask`; None counts as not given. Without a plan,
                only `model_name` is needed: the version is the newest, the use case the version's,
                and there are 5 rounds.

        Raises:
            InputError: a field is wrong, or something is missing.
            NotFoundError: there is no such model or version.
        """
        asked = {key: value for key, value in fields.items() if value is not None}
        if plan is not None:
            asked = ask_by_plan(plan, asked, self._packages)
        if "plan" not in asked:
            asked = fill_in(asked, self._models)
        return read_value(Task, self._link.send("POST", "/tasks/", asked))

    def get(self, task_id: int) -> Task:
        """Return a task as it is now."""
        return read_value(Task, self._link.get(f"/tasks/{task_id:d}"))

    def list(
        self,
        *,
        user_id: str | None = None,
        status: TaskStatus | str | None = None,
        use_case: str | None = None,
        model_name: str | None = None,
        limit: int | None = 50,
        offset: int = 0,
    ) -> Sequence[Task]:
        """Return tasks that fit, newest first.

        Args:
            user_id: who asked.
            status: where they stand.
            use_case: what data they are for.
            model_name: what they train.
            limit: how many at most; None for all.
            offset: how many to leave out at the beginning.
        """
        asked = {"user_id": user_id, "use_case": use_case, "model_name": model_name}
        found: _Found = []
        while limit is None or len(found) < limit:
            size = _PAGE if limit is None else min(_PAGE, limit - len(found))
            place = {"limit": size, "offset": offset + len(found)}
            rows = self._link.get("/tasks/", **asked, **place, status=status)
            page = read_list(Task, rows)
            found += page
            if len(page) < size:
                break
        return found

    def count(self, **fields: Any) -> int:
        """Return how many tasks fit; the fields are those of `list`."""
        answer = self._link.ask("GET", "/tasks/", query={**fields, "limit": 1})
        total = answer.headers.get("X-Total-Count", "")
        if not total.isdecimal():
            raise LinkError("the platform does not say how many tasks there are")
        return int(total)

    def wait(
        self,
        task_id: int,
        timeout_s: float | None = None,
        *,
        on_round: RoundObserver | None = None,
        on_look: Callable[[Task], None] | None = None,
    ) -> Task:
        """Return a task once it has ended, however it ended; see `wait_for`."""
        return wait_for(
            lambda: self.get(task_id),
            lambda after: self._rounds(task_id, after),
            timeout_s=timeout_s,
            on_round=on_round,
            on_look=on_look,
        )

    def cancel(self, task_id: int) -> Task:
        """Cancel a task; raises `ConflictError` if it has ended otherwise."""
        return read_value(Task, self._link.send("PUT", f"/tasks/cancel/{task_id:d}"))

    def delete(self, task_id: int) -> None:
        """Delete a task that has ended, with all its rows."""
        self._link.send("DELETE", f"/tasks/{task_id:d}")

    def delete_all(self) -> None:
        """Delete every task, ended or not."""
        self._link.send("DELETE", "/tasks/")

    def rounds(self, task_id: int, after: int = 0) -> pl.DataFrame:
        """Return a row for each finished round after one."""
        return _frame(self._rounds(task_id, after))

    def clients(
        self,
        task_id: int,
        *,
        round: int | None = None,  # noqa: A002, a column's name
        client_id: str | None = None,
    ) -> pl.DataFrame:
        """Return a row for each client and round: all, those of a round, those of a client."""
        path = f"/tasks/{task_id:d}/clients"
        return _frame(_rows(self._link.get(path, round=round, client_id=client_id)))

    def logs(self, task_id: int, after_id: int = 0) -> Iterator[LogPiece]:
        """Yield the pieces of a task's log that are there, after one."""
        while True:
            path = f"/tasks/{task_id:d}/logs"
            page = read_list(LogPiece, self._link.get(path, after_id=after_id, limit=_LOG_PAGE))
            yield from page
            if not page or page[-1].id <= after_id:
                return
            after_id = page[-1].id

    def documents(
        self,
        task_id: int,
        *,
        round: int | None = None,  # noqa: A002, a column's name
        client_id: str | None = None,
        kind: str | None = None,
    ) -> Sequence[StoredDocument]:
        """Return what clients said beside the numbers, whole: kind is metadata or validation."""
        path = f"/tasks/{task_id:d}/documents"
        found = self._link.get(path, round=round, client_id=client_id, kind=kind)
        return read_list(StoredDocument, found)

    def records(
        self,
        task_id: int,
        path: str | PathLike[str],
        *,
        table: str = "clients",
        form: str | None = None,
    ) -> Path:
        """Write a table of a task's records to a file, in the columns of `docs/records.md`.

        Args:
            task_id: of the task.
            path: the file; it is replaced.
            table: clients, rounds or metrics (every number that clients said beside weights).
            form: csv or parquet; told by the file's ending if not given.
        """
        target = Path(path)
        wanted = form or ("parquet" if target.suffix.casefold() == ".parquet" else "csv")
        source = f"/tasks/{task_id:d}/records"
        return self._link.download(source, target, table=table, format=wanted)

    def result(self, task_id: int, path: str | PathLike[str]) -> Path:
        """Write a finished task's weights to a file (npz); it is replaced.

        Raises:
            ConflictError: the task has left none.
        """
        return self._link.download(f"/tasks/{task_id:d}/result", Path(path))

    def _rounds(self, task_id: int, after: int) -> _Rows:
        return _rows(self._link.get(f"/tasks/{task_id:d}/rounds", after=after))


def _rows(found: Any) -> _Rows:
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise LinkError("the platform's answer is no list of rows")
    return found


def _frame(rows: _Rows) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(rows, infer_schema_length=None, strict=False)
