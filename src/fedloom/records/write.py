"""Writing the records of a run as its rounds finish, so that a killed run loses no finished round.

Three tables grow together, each by one write and one sync to disk per round: the user's table of
clients in the columns asked for, and in the run's folder the table of clients in full
(``clients.csv``) and the table of rounds. The last is written last: a round that stands there
stands in all of them. What a death in between leaves is cut by `RecordWriter.truncate_after`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fedloom.files import output_errors
from fedloom.records.csvtext import encode_row, encode_utf8
from fedloom.records.cut import cut_after, finished_rows
from fedloom.records.mlaas import (
    MLAAS_COLUMNS,
    Columns,
    Reliability,
    encode_mlaas,
    encode_records,
)
from fedloom.records.schema import ClientRecord, RoundRecord, column_names

__all__ = ["CLIENTS", "ROUNDS", "RecordWriter", "append_rows"]

CLIENTS, ROUNDS = "clients", "rounds"
"""Names of the two tables in a run's folder, without their suffix."""

_CLIENT_COLUMNS = column_names(ClientRecord)
_ROUND_COLUMNS = column_names(RoundRecord)


class RecordWriter:
    """Appends the records of one run.

    A new writer touches no file: a new run begins with none, a resumed one calls
    `truncate_after` first.

    Args:
        client_csv: the user's table of clients.
        round_csv: the table of rounds, in the run's folder; ``clients.csv`` grows beside it, always
            in Fedloom's own columns. If that is `client_csv` itself, it is written once.
        columns: which columns `client_csv` has.
    """

    def __init__(
        self, client_csv: Path, round_csv: Path, columns: Columns = Columns.FEDLOOM
    ) -> None:
        self._client_csv = client_csv
        self._round_csv = round_csv
        self._full_csv = round_csv.with_name(f"{CLIENTS}.csv")
        self._columns = columns
        self._reliability = Reliability()
        if columns is Columns.MLAAS and self._is_full(client_csv):
            raise ValueError(f"{client_csv} holds Fedloom's own columns: choose another name")

    def append(self, clients: Sequence[ClientRecord], round: RoundRecord) -> None:  # noqa: A002
        """Write one finished round: its clients, and the round itself.

        Nobody may have been chosen, as with Poisson sampling; the round's row tells so.

        Raises:
            OutputError: a table cannot be written or the disk is full; it ends where it ended.
        """
        full = encode_records(clients)
        append_rows(self._full_csv, _CLIENT_COLUMNS, full)
        if self._columns is Columns.MLAAS:
            append_rows(self._client_csv, MLAAS_COLUMNS, encode_mlaas(clients, self._reliability))
        elif not self._is_full(self._client_csv):
            append_rows(self._client_csv, _CLIENT_COLUMNS, full)
        append_rows(self._round_csv, _ROUND_COLUMNS, encode_records([round]))

    def truncate_after(self, round: int) -> None:  # noqa: A002
        """Cut torn rows and the rows of later rounds off every table, to go on after `round`.

        Parquet files of an earlier end of the run are removed: they are written again at the end.

        Args:
            round: the last round to keep, 0 for none.

        Raises:
            OutputError: a table is missing, ends too early, or belongs to something else.
        """
        for name in (CLIENTS, ROUNDS):
            with output_errors(self._round_csv):
                self._round_csv.with_name(f"{name}.parquet").unlink(missing_ok=True)
        cut_after(self._round_csv, _ROUND_COLUMNS, round)
        last = self._last_with_clients()
        cut_after(self._full_csv, _CLIENT_COLUMNS, round, reach=last)
        if self._columns is Columns.MLAAS:
            cut_after(self._client_csv, MLAAS_COLUMNS, round, reach=last)
            self._recall_reliability()
        elif not self._is_full(self._client_csv):
            cut_after(self._client_csv, _CLIENT_COLUMNS, round, reach=last)

    def write_parquet(self, folder: Path) -> None:
        """Write both tables as ``clients.parquet`` and ``rounds.parquet``, always in full.

        Types are those of the schema; memory does not grow with the number of rows.

        Raises:
            OutputError: `folder` cannot be written or the disk is full.
        """
        from fedloom.records.parquet import write_table

        write_table(self._full_csv, folder / f"{CLIENTS}.parquet", ClientRecord)
        write_table(self._round_csv, folder / f"{ROUNDS}.parquet", RoundRecord)

    def _is_full(self, path: Path) -> bool:
        return path.absolute() == self._full_csv.absolute()

    def _last_with_clients(self) -> int:
        """Return the last round of the table of rounds that has rows in the tables of clients."""
        number, size = map(_ROUND_COLUMNS.index, ("round", "cohort_size"))
        rows = list(finished_rows(self._round_csv))[1:] if self._round_csv.exists() else []
        return max((int(cells[number]) for _, cells in rows if cells[size] != "0"), default=0)

    def _recall_reliability(self) -> None:
        """Count again what the kept rounds say about each client."""
        self._reliability = Reliability()
        if not self._full_csv.exists():
            return
        client, score = map(_CLIENT_COLUMNS.index, ("client_id", "local_score"))
        rows = finished_rows(self._full_csv)
        next(rows, None)
        for _, cells in rows:
            self._reliability.add(cells[client], float(cells[score]) if cells[score] else None)


def append_rows(path: Path, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Append rows in one go, after a header if the file has none; take back what does not fit."""
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            header = [] if before else [encode_row(columns)]
            try:
                _write_all(file.fileno(), encode_utf8([*header, *rows], path))
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(before)
                if not before:
                    path.unlink()
                raise


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however little the system takes at a time."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
