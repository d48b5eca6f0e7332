"""A SuperLink's new database: there with all its tables, or not there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from fedloom.files import output_errors

__all__ = ["make_database"]

_PAGE_BYTES = 65536


def make_database(path: Path) -> None:
    """Make a SuperLink's database, if it is not there.

    Flower makes its tables in dozens of steps, each for good by itself: killed in between, it finds
    them there already and never starts again. So they are made beside and moved into place. Pages
    are large, because Flower keeps every object as one value, and with SQLite's own size weights
    take half as long again.

    Raises:
        OutputError: it cannot be written.
    """
    if path.exists():
        return
    beside = path.with_name(f".{path.name}.new")
    with output_errors(path):
        beside.unlink(missing_ok=True)
        with closing(sqlite3.connect(beside)) as database:
            database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            database.execute("VACUUM")
        _make_tables(beside)
        beside.replace(path)


def _make_tables(path: Path) -> None:
    # Inside: it takes a second, and must come after the variables that Flower reads at its import.
    from flwr.supercore.state.alembic.utils import run_migrations
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{path}")
    try:
        run_migrations(engine)
    finally:
        engine.dispose()
