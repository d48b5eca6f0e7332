"""Cutting a table that grew row by row back to a round, whatever its writer's death left behind."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fedloom.errors import OutputError
from fedloom.files import output_errors
from fedloom.records.csvtext import decode_rows

__all__ = ["cut_after", "finished_rows"]


def finished_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield every whole row of a table, header first, with the offset of the byte after it.

    A row is whole when it ends in a line feed outside quotes: a quote inside quotes is doubled, so
    the number of quotes since the row's start is even there and nowhere else. What follows the
    last whole row is torn and not yielded.
    """
    with path.open("rb") as file:
        pending, end = b"", 0
        for line in file:
            pending += line
            if line.endswith(b"\n") and pending.count(b'"') % 2 == 0:
                end += len(pending)
                yield end, _decode(pending)
                pending = b""


def _decode(row: bytes) -> list[str]:
    """Return the cells of one whole row; none if it is damaged."""
    try:
        return next(decode_rows([row.decode()]))
    except (csv.Error, UnicodeDecodeError):
        return []


def cut_after(
    path: Path, columns: Sequence[str], last_round: int, *, reach: int | None = None
) -> None:
    """Cut a torn last row and every row of a round after `last_round` off a table.

    Rounds stand in the file in the order they were written, so one shortening of the file does it:
    a process killed meanwhile leaves the old length or the new one.

    Args:
        path: the table; it may be missing when no round is to be kept.
        columns: the header it must have; a torn header is cut too.
        last_round: the last round to keep; 0 keeps the header alone.
        reach: the round it must have rows of, where the ones after that have none; `last_round` if
            not given.

    Raises:
        OutputError: the table has other columns, is damaged, or ends too early.
    """
    needed = last_round if reach is None else reach
    if not path.exists() and needed == 0:
        return
    with output_errors(path):
        keep, reached = _measure(path, list(columns), last_round)
        if reached < needed:
            raise OutputError(
                f"{path} ends after round {reached}, but the run got to round {needed}: "
                "put the file back, or start again with --overwrite"
            )
        if keep == path.stat().st_size:
            return
        with path.open("rb+") as file:
            file.truncate(keep)
            os.fsync(file.fileno())


def _measure(path: Path, columns: list[str], last_round: int) -> tuple[int, int]:
    """Return how many bytes to keep, and the last round in them."""
    keep = reached = 0
    for number, (end, cells) in enumerate(finished_rows(path), start=1):
        if number == 1:
            _check_header(path, cells, columns)
        else:
            this_round = _read_round(path, number, cells, columns)
            if this_round > last_round:
                break
            reached = this_round
        keep = end
    return keep, reached


def _check_header(path: Path, cells: list[str], columns: list[str]) -> None:
    if cells != columns:
        raise OutputError(
            f"{path} has other columns than this run writes: resume with the same --columns, "
            "or start again with --overwrite"
        )


def _read_round(path: Path, number: int, cells: list[str], columns: list[str]) -> int:
    text = cells[columns.index("round")] if len(cells) == len(columns) else ""
    if not text.isdecimal():
        raise OutputError(
            f"{path}, row {number}: not a row of this run; start again with --overwrite"
        )
    return int(text)
