"""One database, and transactions on it; all methods of the store are built on these two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Self

from sqlalchemy import insert, text
from sqlalchemy.engine import Connection, Engine

from fedloom.errors import LinkError
from fedloom.platform.store.address import Address
from fedloom.platform.store.failures import BUSY_S, database_errors
from fedloom.platform.store.kinds import EventKind
from fedloom.platform.store.tables import EventRow, OutboxRow, table_of
from fedloom.platform.task import Queue

__all__ = ["Clock", "Database", "Transaction"]

Clock = Callable[[], datetime]
"""Says what time it is, in UTC."""

_EVENT, _OUTBOX = table_of(EventRow), table_of(OutboxRow)
_EVENT_LOCK = 0x666C_6D01  # any number that no other user of the database takes for a lock
_ASK_TIME = text("SELECT clock_timestamp() AT TIME ZONE 'UTC'")


class Transaction:
    """A connection within a transaction, the time at its start, and the events it will leave."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.connection, self.now = connection, now
        self._events: list[dict[str, Any]] = []

    def lock(self, number: int) -> None:
        """Keep out others that ask for the same lock until this transaction ends.

        Writers of SQLite are alone anyway.
        """
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(text(f"SELECT pg_advisory_xact_lock({number})"))

    def add_event(self, kind: EventKind, task_id: int | None = None, **data: Any) -> None:
        """Note that something changed; it is written with the change or not at all."""
        self._events.append({"task_id": task_id, "kind": kind, "data": data, "at": self.now})

    def send(self, queue: Queue, body: str) -> None:
        """Leave a message for the broker; it is written with the change or not at all."""
        row = {"queue": queue, "body": body, "created_at": self.now}
        self.connection.execute(insert(_OUTBOX), row)

    def write_events(self) -> None:
        """Write the events, last of all.

        PostgreSQL gives out numbers before it commits, so that a reader who remembers the last
        number could miss a smaller one of a slower writer. So writers of events go one by one
        through here; they hold this lock only until they commit, and take no other after it.
        """
        if not self._events:
            return
        self.lock(_EVENT_LOCK)
        self.connection.execute(insert(_EVENT), self._events)


class Database:
    """A database with transactions; made by `open_store`.

    Args:
        address: where it is.
        engine: connections to it.
        clock: what time it is; without one, PostgreSQL's own clock, so that coordinators on
            several machines agree on leases, and this machine's clock for SQLite.
    """

    def __init__(self, address: Address, engine: Engine, clock: Clock | None = None) -> None:
        self._address, self._engine, self._clock = address, engine, clock
        self._writer = engine.execution_options(writes=True)
        self._turn = Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address.shown!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._engine.dispose()

    @contextmanager
    def _read(self) -> Iterator[Transaction]:
        """Begin a transaction that reads."""
        with database_errors(self._address), self._engine.begin() as connection:
            yield Transaction(connection, self._now(connection))

    @contextmanager
    def _write(self) -> Iterator[Transaction]:
        """Begin a transaction that writes; it is committed, with its events, if the block ends."""
        with database_errors(self._address), self._take_turn(), self._writer.begin() as connection:
            transaction = Transaction(connection, self._now(connection))
            yield transaction
            transaction.write_events()

    @contextmanager
    def _take_turn(self) -> Iterator[None]:
        """Let this process's writers go in turn: SQLite itself would make them sleep and retry."""
        if self._address.file is None:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_S):
            raise LinkError(
                f"{self._address.shown} is busy: this process has been writing for {BUSY_S:g} s"
            )
        try:
            yield
        finally:
            self._turn.release()

    def _now(self, connection: Connection) -> datetime:
        if self._clock is not None:
            return self._clock()
        if self._address.file is not None:
            return datetime.now(UTC)
        moment: datetime = connection.execute(_ASK_TIME).scalar_one()
        return moment.replace(tzinfo=UTC)
