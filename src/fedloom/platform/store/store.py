"""The store: everything that the platform must not lose."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep

from fedloom.errors import LinkError
from fedloom.platform.store.address import read_address
from fedloom.platform.store.checkpoints import CheckpointMethods
from fedloom.platform.store.counts import CountMethods
from fedloom.platform.store.database import Clock
from fedloom.platform.store.documents import DocumentMethods
from fedloom.platform.store.engine import make_engine
from fedloom.platform.store.events import EventMethods
from fedloom.platform.store.failures import database_errors
from fedloom.platform.store.legacy import LegacyMethods
from fedloom.platform.store.migrate import read_revision, upgrade_tables
from fedloom.platform.store.nodes import NodeMethods
from fedloom.platform.store.outbox import OutboxMethods
from fedloom.platform.store.progress import ProgressMethods
from fedloom.platform.store.queue import QueueMethods
from fedloom.platform.store.retention import RetentionMethods
from fedloom.platform.store.tasks import TaskMethods
from fedloom.platform.store.tokens import TokenMethods

__all__ = ["Store", "open_store"]

_RETRY_S = 0.5


class Store(
    TaskMethods,
    QueueMethods,
    ProgressMethods,
    DocumentMethods,
    CheckpointMethods,
    EventMethods,
    NodeMethods,
    OutboxMethods,
    TokenMethods,
    RetentionMethods,
    LegacyMethods,
    CountMethods,
):
    """Everything that the platform must not lose, in SQLite or PostgreSQL.

    Several processes and threads may use one database at once. Every method is one transaction, or
    a few that each leave things in order, and blocks its thread: an event loop calls it in another.
    A change and the event that tells of it are there together or not at all.

    All methods may raise `LinkError` where the database cannot be reached or is busy for long, and
    `OutputError` where an SQLite file cannot be written.
    """

    @property
    def file(self) -> Path | None:
        """The file of an embedded database; None where a server has it."""
        return self._address.file

    def revision(self) -> str | None:
        """Return the revision of the tables, None where there are none of ours."""
        with database_errors(self._address):
            return read_revision(self._engine)

    def check(self) -> None:
        """Ask the database for the time; for a probe of readiness.

        Raises:
            LinkError: the database cannot be reached.
        """
        self.last_event_id()


def open_store(url: str, *, wait_s: float = 0.0, clock: Clock | None = None) -> Store:
    """Open the store in a database; make or upgrade its tables first, where they are not new.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/DATABASE``.
        wait_s: seconds for which to try again where the database cannot be reached yet, as when
            everything is started at once.
        clock: what time it is, for tests; see `Database`.

    Raises:
        InputError: the address cannot be read, or is no database for a store.
        ConflictError: the tables are of a newer Fedloom, or another program's.
        LinkError: the database cannot be reached, or is busy.
        OutputError: the file or its folder cannot be made.
    """
    address = read_address(url)
    give_up = monotonic() + wait_s
    while True:
        engine = make_engine(address)
        try:
            upgrade_tables(address, engine)
        except LinkError:
            engine.dispose()
            if monotonic() + _RETRY_S > give_up:
                raise
            sleep(_RETRY_S)
        except BaseException:
            engine.dispose()
            raise
        else:
            return Store(address, engine, clock)
