"""Reading an execution log: ours or one of the studied system, JSON or Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from fedloom.errors import InputError
from fedloom.scheduling.log.columns import SCHEMA, gang_matrix, gangs_of, table_of
from fedloom.scheduling.log.fast import parse_executions
from fedloom.scheduling.log.log import Log
from fedloom.scheduling.log.read_table import read_table
from fedloom.scheduling.log.scanner import JsonScanner, NotJsonError, UnexpectedEndError

__all__ = ["read_log"]

_ROWS = 2_048
"""Executions that are turned into columns at once."""

_PARQUET_MAGIC = b"PAR1"


def read_log(path: Path) -> Log:
    """Return a log; JSON is read piece by piece, so that only its columns stand in memory.

    Keys of executions that are not ours are ignored. A file that starts like Parquet is read as
    Parquet, whatever its name is.

    Raises:
        InputError: the file is missing, cut off, or no log; the message names the place.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_PARQUET_MAGIC))
        if start == _PARQUET_MAGIC or path.suffix.lower() == ".parquet":
            return read_table(path)
        return _JsonLog(path).read()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


class _JsonLog:
    """A log in JSON while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.summary: Mapping[str, Any] = {}
        self.unfinished: tuple[str, ...] | None = None
        self.tables: list[pl.DataFrame] | None = None
        self.gangs: list[pl.Series] = []
        self.count = 0
        self.place = "before its executions"

    def read(self) -> Log:
        """Return the log.

        Raises:
            InputError: the file is no log, or ends too early.
        """
        try:
            with self.path.open(encoding="utf-8-sig") as file:
                self._read_document(JsonScanner(file))
        except UnexpectedEndError as error:
            raise InputError(f"{self.path} ends {self.place}; write it again") from error
        except NotJsonError as error:
            raise InputError(f"{self.path} is not JSON {self.place}: {error}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path} is no log: it is not text in UTF-8") from error
        if self.tables is None:
            raise InputError(f"{self.path} is no execution log: it has no list called 'executions'")
        executions = pl.concat(self.tables) if self.tables else pl.DataFrame(schema=SCHEMA)
        gangs = pl.concat(self.gangs) if self.gangs else pl.Series([], dtype=pl.List(pl.Int32))
        return Log(
            path=self.path,
            summary=self.summary,
            executions=executions,
            gpus=gang_matrix(gangs, executions["gpu_id"]),
            gangs_known=not gangs.null_count(),
            unfinished=self.unfinished,
        )

    def _read_document(self, scanner: JsonScanner) -> None:
        if not scanner.peek():
            raise InputError(f"{self.path} is empty; a log is expected")
        for key in scanner.entries():
            if key == "executions" and scanner.peek() == "[":
                self._read_executions(scanner)
            else:
                self._read_entry(key, scanner.value())
        self.place = "after its last bracket"
        if scanner.peek():
            raise NotJsonError("something follows")

    def _read_entry(self, key: str, value: Any) -> None:
        if key == "summary" and isinstance(value, dict):
            self.summary = value
        elif key == "unfinished_requests" and isinstance(value, list):
            self.unfinished = tuple(map(str, value))

    def _read_executions(self, scanner: JsonScanner) -> None:
        if self.tables is not None:
            raise InputError(f"{self.path} has two lists called 'executions'")
        rows: list[Any] = []
        self.tables = []
        self._expect_another()
        for batch in scanner.batches(parse_executions):
            if not isinstance(batch, list) or len(rows) >= _ROWS:
                self._keep_rows(rows)
                rows = []
            if isinstance(batch, list):
                rows += batch
                self.count += len(batch)
            else:
                self.count += len(batch[0])
                self._keep(*batch)
            self._expect_another()
        self._keep_rows(rows)

    def _expect_another(self) -> None:
        self.place = f"in the middle of execution {self.count + 1}"

    def _keep_rows(self, rows: list[Any]) -> None:
        """Turn the executions that were read last into columns."""
        first, where = self.count - len(rows) + 1, str(self.path)
        for position, row in enumerate(rows):
            if not isinstance(row, dict):
                raise InputError(f"{where}, execution {first + position}: it is no object")
        if rows:
            self._keep(table_of(rows, first, where), gangs_of(rows, first, where))

    def _keep(self, table: pl.DataFrame, gangs: pl.Series) -> None:
        assert self.tables is not None
        self.tables.append(table)
        self.gangs.append(gangs)
