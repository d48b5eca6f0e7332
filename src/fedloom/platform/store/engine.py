"""Connections to SQLite and to PostgreSQL, set up so that several processes can share a store.

SQLite runs with a write-ahead log (readers and a writer do not wait for one another), and every
write begins with ``BEGIN IMMEDIATE``: a transaction that first reads and then wants to write would
be refused with "database is locked" whatever the timeout. A killed process loses nothing that was
committed; a power cut may lose the last moments (``synchronous = NORMAL``), and nothing half.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine

from fedloom.errors import OutputError
from fedloom.platform.store.address import Address
from fedloom.platform.store.failures import BUSY_S

__all__ = ["make_engine"]

_CONNECT_S = 5
_POOL = {"pool_size": 8, "max_overflow": 24, "pool_timeout": BUSY_S}
_BUSY_MS = int(BUSY_S * 1000)


def make_engine(address: Address) -> Engine:
    """Return an engine whose execution option ``writes`` says whether a transaction will write.

    An SQLite file is made where there is none, readable for its owner alone.

    Raises:
        OutputError: the file or its folder cannot be made.
    """
    if address.file is not None:
        _make_private(address, address.file)
        engine = create_engine(address.url, connect_args={"timeout": BUSY_S}, **_POOL)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        address.url,
        connect_args={
            "connect_timeout": _CONNECT_S,
            "tcp_user_timeout": _BUSY_MS,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "application_name": "fedloom",
        },
        pool_pre_ping=True,
        **_POOL,
    )
    event.listen(engine, "do_connect", _connect_limited)
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _make_private(address: Address, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot use the database {address.shown}: {reason}") from error


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transactions by itself
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _connect_limited(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> Any:
    from fedloom.platform.store.limited import LimitedConnection

    return LimitedConnection.connect(**parameters)


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute(f"SET lock_timeout = {_BUSY_MS}")
        cursor.execute(f"SET statement_timeout = {2 * _BUSY_MS}")
        cursor.execute(f"SET idle_in_transaction_session_timeout = {2 * _BUSY_MS}")
    connection.commit()
