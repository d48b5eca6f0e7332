"""Bringing a database's tables to the state that this program knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection, Engine

from fedloom.errors import ConflictError
from fedloom.platform.store.address import Address
from fedloom.platform.store.failures import database_errors

__all__ = ["HEAD", "VERSION_TABLE", "read_revision", "upgrade_tables"]

HEAD = "0002"
"""The newest revision; a test holds it to the migrations."""

VERSION_TABLE = "fedloom_revision"
"""Holds the revision; not Alembic's usual name, which MLflow uses, perhaps in the same database."""

_MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x666C_6D04


def read_revision(engine: Engine) -> str | None:
    """Return the revision of a database's tables, None where there are none of ours."""
    with engine.connect() as connection:
        return _read(connection)


def upgrade_tables(
    address: Address, engine: Engine, head: str = HEAD, more_steps: Sequence[Path] = ()
) -> None:
    """Make the tables, or bring them to the newest revision, in one transaction.

    Several processes may do so at once: one does it, and the others find it done.

    Args:
        address: of the database, for messages.
        engine: its connections.
        head: the revision to come to.
        more_steps: further folders with steps.

    Raises:
        ConflictError: the tables are of a newer Fedloom, or another program's.
        LinkError: the database cannot be reached, or is busy.
    """
    with database_errors(address):
        if read_revision(engine) == head:
            return
        with engine.execution_options(writes=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            found = _read(connection)
            if found is None and inspect(connection).has_table("task"):
                raise ConflictError(
                    f"{address.shown} holds a table 'task' of another program: choose an empty"
                    " database, and import the old one"
                )
            if found != head:
                _run_steps(address, connection, found, head, more_steps)


def _read(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    revision: str | None = found.scalar_one_or_none()
    return revision


def _run_steps(
    address: Address, connection: Connection, found: str | None, head: str, more: Sequence[Path]
) -> None:
    # Alembic takes a tenth of a second to import, and is hardly ever needed.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    folders = [_MIGRATIONS / "versions", *more]
    config.set_main_option("script_location", _escape(_MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(_escape(folder) for folder in folders))
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise ConflictError(
            f"{address.shown} was written by a newer Fedloom (its tables are of revision {found},"
            f" this one knows {head}): upgrade Fedloom"
        )
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, head)


def _escape(folder: Path) -> str:
    return str(folder).replace("%", "%%")
