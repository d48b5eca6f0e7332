"""How far a task is: a row per round, a row per client and round."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Integer, Text, cast, delete, func, select, update

from fedloom.platform.store.columns import to_plain
from fedloom.platform.store.database import Database
from fedloom.platform.store.kinds import EventKind
from fedloom.platform.store.rows import MAX_ID, may_write, put_rows, read_round
from fedloom.platform.store.tables import ClientRow, DocumentRow, RoundRow, TaskRow, table_of

__all__ = ["ProgressMethods"]

_TASK, _ROUND, _CLIENT = table_of(TaskRow), table_of(RoundRow), table_of(ClientRow)
_DOCUMENT = table_of(DocumentRow)


class ProgressMethods(Database):
    """What a coordinator writes down while a task runs.

    A row is a mapping of a record's columns (`fedloom.records.schema`) to plain values; NaN and
    infinities come back as None. A round that is written again takes the place of the first, so a
    coordinator that resumes may repeat a round. Each method returns False, and changes nothing,
    where the task does not run or another has its lease.
    """

    def add_round(self, task_id: int, row: Mapping[str, Any], owner: str | None = None) -> bool:
        """Write down a finished round.

        Args:
            task_id: which task.
            row: holds at least ``round``, counted from 1.
            owner: who holds the task's lease; None asks for no lease.
        """
        number, data = read_round(row), to_plain(row)
        with self._write() as transaction:
            if not may_write(transaction, task_id, owner):
                return False
            values = {"task_id": task_id, "round": number, "data": data, "at": transaction.now}
            put_rows(transaction, _ROUND, [values])
            query = update(_TASK).where(_TASK.c.id == task_id).values(rounds_done=number)
            transaction.connection.execute(query)
            transaction.add_event(EventKind.ROUND, task_id, **data)
        return True

    def add_client_rows(
        self, task_id: int, rows: Sequence[Mapping[str, Any]], owner: str | None = None
    ) -> bool:
        """Write down clients of rounds; each row holds at least ``round`` and ``client_id``."""
        values = [
            {
                "task_id": task_id,
                "round": read_round(row),
                "client_id": str(row["client_id"]),
                "data": to_plain(row),
            }
            for row in rows
        ]
        with self._write() as transaction:
            if not may_write(transaction, task_id, owner):
                return False
            if values:
                put_rows(transaction, _CLIENT, values)
            for number in sorted({value["round"] for value in values}):
                count = sum(value["round"] == number for value in values)
                transaction.add_event(EventKind.CLIENTS, task_id, round=number, count=count)
        return True

    def cut_rounds(self, task_id: int, after: int, owner: str | None = None) -> bool:
        """Forget the rounds after one, with all of their clients: a resumed task repeats them."""
        with self._write() as transaction:
            if not may_write(transaction, task_id, owner):
                return False
            for table in (_ROUND, _CLIENT, _DOCUMENT):
                query = delete(table).where(table.c.task_id == task_id, table.c.round > after)
                transaction.connection.execute(query)
            done = update(_TASK).where(_TASK.c.id == task_id, _TASK.c.rounds_done > after)
            if transaction.connection.execute(done.values(rounds_done=after)).rowcount:
                transaction.add_event(EventKind.ROUNDS_CUT, task_id, after=after)
        return True

    def rounds(self, task_id: int, after: int = 0) -> list[dict[str, Any]]:
        """Return the rows of the rounds after one, in their order; none for an unknown task."""
        query = select(_ROUND.c.data).where(_ROUND.c.task_id == task_id, _ROUND.c.round > after)
        return self._rows(task_id, query.order_by(_ROUND.c.round))

    def cohorts(self, task_ids: Collection[int]) -> dict[int, int]:
        """Return the largest cohort of any round, by task; without those that finished none."""
        if not task_ids:
            return {}
        data: Any = _ROUND.c.data
        with self._read() as transaction:
            if transaction.connection.dialect.name == "sqlite":
                size = func.json_extract(data, "$.cohort_size")
            else:
                size = cast(cast(data, Text), JSON)["cohort_size"].as_string()
            within = _ROUND.c.task_id.between(min(task_ids), max(task_ids))
            largest = func.max(cast(size, Integer))
            query = select(_ROUND.c.task_id, largest).where(within).group_by(_ROUND.c.task_id)
            found = transaction.connection.execute(query).all()
        wanted = set(task_ids)
        return {number: size or 1 for number, size in found if number in wanted}

    def clients(
        self,
        task_id: int,
        round: int | None = None,  # noqa: A002, a column's name
        client_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return clients' rows, by round and name: all, those of a round, those of a client."""
        query = select(_CLIENT.c.data).where(_CLIENT.c.task_id == task_id)
        if round is not None:
            query = query.where(_CLIENT.c.round == round)
        if client_id is not None:
            query = query.where(_CLIENT.c.client_id == client_id)
        return self._rows(task_id, query.order_by(_CLIENT.c.round, _CLIENT.c.client_id))

    def _rows(self, task_id: int, query: Any) -> list[dict[str, Any]]:
        if not 1 <= task_id <= MAX_ID:
            return []
        with self._read() as transaction:
            return list(transaction.connection.execute(query).scalars())
