"""What clients say of a round beside the numbers of the records: whole JSON documents."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from fedloom.errors import InputError
from fedloom.platform.store.columns import is_storable, to_plain
from fedloom.platform.store.database import Database
from fedloom.platform.store.kinds import DocumentKind, StoredDocument
from fedloom.platform.store.rows import MAX_ID, may_write, put_rows, read_round
from fedloom.platform.store.tables import DocumentRow, table_of

__all__ = ["DocumentMethods"]

_DOCUMENT = table_of(DocumentRow)


class DocumentMethods(Database):
    """Documents of clients; they go with their task, and with their round when it is cut."""

    def add_document(
        self,
        task_id: int,
        round: int,  # noqa: A002, a column's name
        client_id: str,
        kind: DocumentKind,
        document: Any,
        owner: str | None = None,
    ) -> bool:
        """Keep a document; it takes the place of an earlier one of the same client and round.

        Args:
            task_id: which task.
            round: counted from 1.
            client_id: who says it.
            kind: what it is.
            document: as JSON holds it; NaN and infinities come back as None.
            owner: who holds the task's lease; None asks for no lease.

        Returns:
            False, with nothing changed, where the task does not run or another has its lease.

        Raises:
            InputError: the name cannot be kept.
            TypeError: JSON has nothing for a part of it.
        """
        if not is_storable(client_id):
            raise InputError(f"client_id={client_id!r}: it holds signs that no database takes")
        values = {
            "task_id": task_id,
            "round": read_round({"round": round}),
            "client_id": client_id,
            "kind": str(kind),
            "document": to_plain(document),
        }
        with self._write() as transaction:
            if not may_write(transaction, task_id, owner):
                return False
            put_rows(transaction, _DOCUMENT, [{**values, "at": transaction.now}])
        return True

    def documents(
        self,
        task_id: int,
        *,
        round: int | None = None,  # noqa: A002, a column's name
        client_id: str | None = None,
        kind: DocumentKind | None = None,
    ) -> list[StoredDocument]:
        """Return documents by round, client and kind; none for an unknown task."""
        wanted = {"round": round, "client_id": client_id, "kind": kind and str(kind)}
        given = {name: value for name, value in wanted.items() if value is not None}
        texts = [value for value in given.values() if isinstance(value, str)]
        if not 1 <= task_id <= MAX_ID or not all(map(is_storable, texts)):
            return []
        if round is not None and not 1 <= round <= MAX_ID:
            return []
        query = select(_DOCUMENT).where(
            _DOCUMENT.c.task_id == task_id,
            *(_DOCUMENT.c[name] == value for name, value in given.items()),
        )
        with self._read() as transaction:
            rows = transaction.connection.execute(query).mappings()
            found = [StoredDocument(**{**row, "kind": DocumentKind(row["kind"])}) for row in rows]
        # Databases sort texts each in their own way.
        return sorted(found, key=lambda item: (item.round, item.client_id, item.kind))
