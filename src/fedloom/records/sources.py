"""Tables to be read a row at a time, as text: CSV files and Parquet files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from fedloom.errors import DataError
from fedloom.records.csvtext import decode_rows, encode_cell

__all__ = ["CsvSource", "ParquetSource", "Source", "is_parquet", "open_source"]

_PARQUET_MAGIC = b"PAR1"
_PARQUET_SUFFIXES = (".parquet", ".pq")
_ROWS_AT_ONCE = 20_000


class Source(Protocol):
    """A table in a file.

    Attributes:
        path: the file.
        columns: the names of its columns.
        size_bytes: the size of the file.
        read_bytes: how much of it has been read, for a progress bar.
    """

    path: Path
    columns: list[str]
    size_bytes: int
    read_bytes: int

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows as text; what is missing is empty."""


def open_source(path: Path) -> Source:
    """Look at the head of a table, CSV or Parquet by its content.

    Raises:
        DataError: it cannot be read, is empty or has no proper header.
    """
    return ParquetSource(path) if is_parquet(path) else CsvSource(path)


def is_parquet(path: Path) -> bool:
    """Tell whether a file is in the Parquet format.

    Raises:
        DataError: it cannot be read, or is named as if it were and is not.
    """
    with _input_errors(path), path.open("rb") as file:
        found = file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    if not found and path.suffix.lower() in _PARQUET_SUFFIXES:
        raise DataError(f"{path} is not a Parquet file, though its name ends in {path.suffix}")
    return found


@contextmanager
def _input_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


class CsvSource:
    """A CSV file: UTF-8 with or without a byte order mark, lines ending in LF or CRLF.

    Blank lines are passed over. `line` is the number of the line on which the current row starts.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.line, self.read_bytes = path, 0, 0
        self._lines = 0
        with _input_errors(path):
            self.size_bytes = path.stat().st_size
        header = next(self._parse(), None)
        if header is None:
            raise DataError(f"{path} is empty: a table begins with a line of column names")
        if twice := [name for name, count in Counter(header).items() if count > 1]:
            raise DataError(f"{path}, line {self.line}: column {twice[0]!r} stands there twice")
        self.columns: list[str] = header

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows after the header; every call starts at the top.

        Raises:
            DataError: a line is not UTF-8 or wrongly quoted, or has too few or too many fields.
        """
        expected = len(self.columns)
        parsed = self._parse()
        next(parsed)
        for row in parsed:
            if len(row) != expected:
                raise DataError(
                    f"{self.path}, line {self.line}: {len(row)} fields instead of {expected}"
                )
            yield row

    def _parse(self) -> Iterator[list[str]]:
        self._lines = self.read_bytes = 0
        rows = decode_rows(self._decode())
        while True:
            self.line = self._lines + 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                raise DataError(f"{self.path}, line {self.line}: {error}") from error
            if row is None:
                return
            if row:
                yield row

    def _decode(self) -> Iterator[str]:
        """Yield the lines, decoded one by one so that an error knows its line."""
        with _input_errors(self.path), self.path.open("rb") as file:
            for line in file:
                self._lines += 1
                self.read_bytes += len(line)
                try:
                    yield line.decode("utf-8-sig" if self._lines == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    byte = f"{line[error.start]:#04x}"
                    raise DataError(
                        f"{self.path}, line {self._lines}: byte {byte} is not UTF-8; "
                        "save the file as UTF-8"
                    ) from error


class ParquetSource:
    """A Parquet file of plain columns: numbers, booleans, text, dates."""

    def __init__(self, path: Path) -> None:
        import polars as pl

        self.path, self.read_bytes = path, 0
        with self._parquet_errors():
            self.size_bytes = path.stat().st_size
            self._frame = pl.scan_parquet(path.absolute(), glob=False)
            schema = self._frame.collect_schema()
        for name, dtype in schema.items():
            if dtype.is_nested() or dtype == pl.Binary or dtype == pl.Object:
                raise DataError(f"{path}: column {name!r} holds {dtype}, which is no plain value")
        self.columns: list[str] = schema.names()

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows, a part of them in memory at a time.

        Raises:
            DataError: the file is damaged.
        """
        start, total = 0, self._count()
        while start < total:
            with self._parquet_errors():
                part: list[tuple[Any, ...]] = (
                    self._frame.slice(start, _ROWS_AT_ONCE).collect().rows()
                )
            start += len(part)
            self.read_bytes = self.size_bytes * start // total
            for row in part:
                yield [encode_cell(value) for value in row]

    def _count(self) -> int:
        import polars as pl

        with self._parquet_errors():
            return int(self._frame.select(pl.len()).collect().item())

    @contextmanager
    def _parquet_errors(self) -> Iterator[None]:
        import polars as pl

        try:
            with _input_errors(self.path):
                yield
        except pl.exceptions.PolarsError as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(f"{self.path} is not a sound Parquet file: {reason}") from error
