"""Taking over the tasks of the system that Fedloom replaces."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import column, create_engine, insert, inspect, select, table, text
from sqlalchemy import types as sql
from sqlalchemy.engine import Connection, Engine

from fedloom.errors import ConflictError, DataError
from fedloom.platform.store.address import Address, read_address
from fedloom.platform.store.database import Database
from fedloom.platform.store.engine import make_engine
from fedloom.platform.store.failures import database_errors
from fedloom.platform.store.tables import TaskRow, table_of
from fedloom.platform.task import TaskStatus

__all__ = ["LegacyMethods"]

_TASK = table_of(TaskRow)
_COLUMNS = [item.name for item in _TASK.c][:10]


class LegacyMethods(Database):
    """Taking over old tasks."""

    def import_legacy(self, url: str) -> int:
        """Copy the tasks of an old database into this empty store, and return how many.

        They keep their numbers. What the old system left pending or running ends here as failed,
        with that as the reason: nobody would go on with it.

        Args:
            url: of the old database, which is only read.

        Raises:
            ConflictError: this store holds tasks already.
            DataError: there is no table of tasks, or a row cannot be understood.
        """
        rows = [_convert(row) for row in _read_rows(url)]
        with self._write() as transaction:
            if transaction.connection.execute(select(_TASK.c.id).limit(1)).first():
                raise ConflictError("old tasks go into an empty store; this one holds tasks")
            if rows:
                transaction.connection.execute(insert(_TASK), rows)
                if transaction.connection.dialect.name == "postgresql":
                    query = text("SELECT setval(pg_get_serial_sequence('task', 'id'), :last)")
                    last = {"last": max(row["id"] for row in rows)}
                    transaction.connection.execute(query, last)
        return len(rows)


def _read_rows(url: str) -> list[Mapping[Any, Any]]:
    address = read_address(url)
    if address.file is not None and not address.file.is_file():
        raise DataError(f"there is no file {address.file}")
    # The old system's labels are an enumeration of PostgreSQL's; as text they are the same.
    fields = [
        column("status").cast(sql.String)
        if name == "status"
        else column(name, sql.DateTime() if name == "created_at" else None)
        for name in _COLUMNS
    ]
    labelled = [field.label(name) for field, name in zip(fields, _COLUMNS, strict=True)]
    engine = _open_to_read(address)
    try:
        with database_errors(address), engine.connect() as connection:
            if not _has_columns(connection):
                raise DataError(f"{address.shown} has no table of tasks with the known columns")
            found = connection.execute(select(*labelled).select_from(table("task")))
            return [dict(row) for row in found.mappings()]
    finally:
        engine.dispose()


def _open_to_read(address: Address) -> Engine:
    if address.file is None:
        return make_engine(address)
    # An address within an address would lose what is special in the name of the file.
    uri = f"file:{quote(str(address.file.absolute()))}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True))


def _has_columns(connection: Connection) -> bool:
    found = inspect(connection)
    if not found.has_table("task"):
        return False
    return set(_COLUMNS) <= {item["name"] for item in found.get_columns("task")}


def _convert(row: Mapping[Any, Any]) -> dict[str, Any]:
    label = str(row["status"])
    if label not in TaskStatus.__members__:
        raise DataError(f"task {row['id']} of the old database has the unknown status {label!r}")
    status, reason = TaskStatus[label], None
    created_at: datetime = row["created_at"].replace(tzinfo=UTC)
    if not status.is_final:
        status, reason = TaskStatus.FAILED, f"it was {status} when it was taken over"
    return {
        **row,
        "status": status,
        "reason": reason,
        "created_at": created_at,
        "finished_at": created_at,
        "settings": {},
    }
