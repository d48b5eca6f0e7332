"""Which rows were met before, kept on disk so that memory does not grow with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b

from fedloom.errors import OutputError
from fedloom.records.csvtext import encode_row

__all__ = ["RowIdentity", "SeenRows", "open_seen_rows"]

_CACHE_KIB = 32 * 1024


class RowIdentity:
    """What tells a row from others, as text.

    A row of a run's clients is told by (run_id, round, client_id), a row of its rounds by
    (run_id, round), any other by all of its cells. What is empty in a row counts as absent, so a
    table that both kinds were merged into is read rightly.

    Args:
        columns: the columns of the rows that will be asked about, without any sequential id.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        place = {name: index for index, name in enumerate(columns)}
        self._run, self._round, self._client = map(place.get, ("run_id", "round", "client_id"))

    def of(self, row: Sequence[str]) -> str:
        """Return the identity of a row; equal for rows that are the same."""
        run, number = _cell(row, self._run), _cell(row, self._round)
        if not (run and number):
            return encode_row(["row", *row])
        # Tables that went through pandas have "3.0" for round 3.
        return encode_row(["record", run, number.removesuffix(".0"), _cell(row, self._client)])


def _cell(row: Sequence[str], index: int | None) -> str:
    return "" if index is None else row[index]


class SeenRows:
    """A set of identities, as digests in an index that SQLite keeps in a temporary file."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        for setting in (f"cache_size = -{_CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
            database.execute(f"PRAGMA {setting}")
        database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        database.execute("BEGIN")

    def add(self, identity: str) -> bool:
        """Take in an identity; return whether it is new."""
        digest = blake2b(identity.encode(errors="surrogatepass"), digest_size=16).digest()
        return bool(
            self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,)).rowcount
        )


@contextmanager
def open_seen_rows() -> Iterator[SeenRows]:
    """Open an empty set of rows; its file vanishes at the end, also after a kill.

    Raises:
        OutputError: the folder for temporary files is full or cannot be written.
    """
    # The empty name is SQLite's for a database of its own in a temporary, unlinked file.
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        try:
            yield SeenRows(database)
        except sqlite3.OperationalError as error:
            raise OutputError(
                f"cannot keep the index of rows in the folder for temporary files ({error}): "
                "point TMPDIR to a larger one"
            ) from error
