"""Replaying arrivals: the times that a file holds, relative to the first of them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.workload.block import BLOCK_REQUESTS
from fedloom.workload.units import parse_time, to_microseconds

__all__ = ["replay_times"]

Whole = NDArray[np.int64]
Timed = tuple[str, int]
"""Where a time stands, for messages, and the time in microseconds."""

COLUMNS = ("timestamp", "time", "arrived_at", "arrival_time")
REQUEST_FILES = frozenset({".json", ".jsonl", ".yaml", ".yml", ".parquet"})
LARGEST_SECONDS = 1e12


def replay_times(path: Path | str) -> Iterator[Whole]:
    """Yield the times of a file: microseconds since the first of them, ascending, in chunks.

    Args:
        path: a text file with one time per line; a CSV file with a header, one of whose columns
            is named ``timestamp``, ``time``, ``arrived_at`` or ``arrival_time``; or a file of
            requests (JSON, JSONL, YAML, Parquet). A time is a number of seconds, counted from
            wherever, or an ISO time. Empty lines and, in text files, those that begin with ``#``
            are passed over.

    Yields:
        At most 16,384 times.

    Raises:
        InputError: the file is missing, unreadable or empty, a time is no time, or one is earlier
            than the one before it: a file that is not sorted cannot be streamed.
    """
    path = Path(path)
    times = _ascending(_read(path), path)
    if (first := next(times, None)) is None:
        raise InputError(f"{path}: there is no arrival in it; give at least one time")
    since_first = (time_us - first for time_us in chain([first], times))
    while chunk := list(islice(since_first, BLOCK_REQUESTS)):
        yield np.array(chunk, dtype=np.int64)


def _ascending(times: Iterable[Timed], path: Path) -> Iterator[int]:
    before: int | None = None
    for where, time_us in times:
        if before is not None and time_us < before:
            raise InputError(
                f"{path}: the arrival in {where} is {(before - time_us) / 1e6:.6f} s earlier than "
                "the one before it; sort the file by time"
            )
        before = time_us
        yield time_us


def _read(path: Path) -> Iterator[Timed]:
    if path.suffix.lower() in REQUEST_FILES:
        yield from _read_requests(path)
        return
    with _reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        yield from _read_text(file, path)


def _read_requests(path: Path) -> Iterator[Timed]:
    # Formats bring Polars along, which a plain list of times does not need.
    from fedloom.workload.formats.read import read_requests

    for request in read_requests(path).requests:
        yield f"request {request.request_id}", request.time_us


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot read {path}: {reason}; give a file of arrival times") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not a text in UTF-8 (byte {error.start} of a part of it); give one time per "
            "line, a CSV file or a file of requests"
        ) from error


def _read_text(file: IO[str], path: Path) -> Iterator[Timed]:
    """Yield the times of a text file; what its first line holds decides how it is read."""
    lines = enumerate(file, start=1)
    kept = ((number, text) for number, line in lines if _says_something(text := line.strip()))
    if (first := next(kept, None)) is None:
        return
    number, text = first
    if (parse := _parser(text)) is not None:
        yield from _parse(chain([first], kept), parse, path)
    else:
        table = chain([text + "\n"], (line for _, line in lines))
        cells = _cells(table, number - 1, path)
        if (first := next(cells, None)) is not None:
            yield from _parse(chain([first], cells), _parser(first[1]) or _parse_seconds, path)


def _says_something(text: str) -> bool:
    return bool(text) and not text.startswith("#")


def _cells(table: Iterable[str], skipped: int, path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each time in a CSV file with a header."""
    rows = _rows(table, skipped, path)
    number, header = next(rows)
    folded = [name.strip().casefold() for name in header]
    column = next((folded.index(name) for name in COLUMNS if name in folded), None)
    if column is None:
        raise InputError(
            f"{path} line {number}: no column is named {' or '.join(COLUMNS)}, there are "
            f"{', '.join(header)[:200]!r}; name the column of times so, or give one time per line"
        )
    for number, row in rows:
        if row:
            yield number, row[column].strip() if column < len(row) else ""


def _rows(table: Iterable[str], skipped: int, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(table)
    try:
        for row in reader:
            yield skipped + reader.line_num, row
    except csv.Error as error:
        number = skipped + reader.line_num
        raise InputError(f"{path} line {number}: {error}; give a CSV file") from error


def _parser(text: str) -> Callable[[str], int] | None:
    """Return how to read times that look like this one; None: it is no time."""
    for parse in (_parse_seconds, parse_time):
        try:
            parse(text)
        except (ValueError, OverflowError):
            continue
        return parse
    return None


def _parse_seconds(text: str) -> int:
    seconds = float(text)
    if not abs(seconds) <= LARGEST_SECONDS:
        raise ValueError(text)
    return to_microseconds(seconds)


def _parse(
    cells: Iterable[tuple[int, str]], parse: Callable[[str], int], path: Path
) -> Iterator[Timed]:
    wanted = "a number of seconds" if parse is _parse_seconds else "an ISO time"
    for number, text in cells:
        try:
            time_us = parse(text)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{path} line {number}: {text[:80]!r}; give {wanted}") from error
        yield f"line {number}", time_us
