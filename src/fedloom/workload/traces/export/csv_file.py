"""Writing a CSV file that replaces its predecessor in one step."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from fedloom.files import open_replacing

__all__ = ["RowWriter", "open_csv"]


class RowWriter(Protocol):
    """What writes rows of a CSV file."""

    def writerow(self, row: Sequence[Any], /) -> Any:
        """Write one row."""
        ...


class _Utf8:
    """What `csv.writer` writes to."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


@contextmanager
def open_csv(path: Path, columns: Sequence[str]) -> Iterator[RowWriter]:
    """Open a CSV file and write its header.

    Raises:
        OutputError: it cannot be written or the disk is full.
    """
    with open_replacing(path) as file:
        writer = csv.writer(_Utf8(file), lineterminator="\n")
        writer.writerow(columns)
        yield writer
