"""Reading traces row by row: CSV by the names of its columns, and JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from fedloom.errors import InputError
from fedloom.naming import fold_name
from fedloom.workload.traces.text import open_text

__all__ = ["csv_rows", "headless_rows", "json_rows"]


def csv_rows(
    path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the line and the cells of each row, in the order required + optional.

    Column names are matched without regard to case, spaces and underscores; an optional column
    that the file lacks reads as "". Blank lines are skipped.

    Raises:
        InputError: the file is empty, a required column is missing (the message names it and
            what was found), or a row has too few or too many cells.
    """
    with open_text(path) as file:
        reader = csv.reader(file)
        header = [cell.strip() for cell in next(reader, [])]
        if not any(header):
            raise InputError(f"{path} is empty; a first line {','.join(required)} would be right")
        pick = itemgetter(*_places(path, header, required, optional))
        for row in reader:
            if len(row) < len(header):
                if not row:
                    continue
                raise _wrong_row(path, reader.line_num, len(row), len(header))
            if len(row) > len(header) and any(row[len(header) :]):
                raise _wrong_row(path, reader.line_num, len(row), len(header))
            row.append("")
            yield reader.line_num, pick(row)


def _places(
    path: Path, header: list[str], required: Sequence[str], optional: Sequence[str]
) -> list[int]:
    folded = [fold_name(name) for name in header]
    if missing := [name for name in required if fold_name(name) not in folded]:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; found were {', '.join(header)[:200]}"
        )
    wanted = [fold_name(name) for name in (*required, *optional)]
    return [folded.index(name) if name in folded else -1 for name in wanted]


def _wrong_row(path: Path, line: int, cells: int, columns: int) -> InputError:
    return InputError(
        f"{path}, line {line}: {cells} cells, but there are {columns} columns; the file seems to "
        "be cut off or mixed up, fetch it again"
    )


def headless_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row of a CSV file without a header.

    Raises:
        InputError: the file is empty or a row has another number of cells than `columns`.
    """
    line = 0
    with open_text(path) as file:
        reader = csv.reader(file)
        for row in reader:
            line = reader.line_num
            if len(row) == len(columns):
                yield line, row
            elif row:
                raise _wrong_row(path, line, len(row), len(columns))
    if not line:
        raise InputError(f"{path} is empty; rows of {','.join(columns)} would be right")


def json_rows(path: Path, required: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line and the object of each line of a JSON lines file; blank lines are skipped.

    Raises:
        InputError: the file is empty, a line is no JSON object, or it lacks a required field.
    """
    line = 0
    with open_text(path) as file:
        for line, text in enumerate(file, start=1):
            if text.isspace():
                continue
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{path}, line {line} is no JSON ({error}); one object per line would be right"
                ) from None
            if not isinstance(row, dict):
                raise InputError(f"{path}, line {line}: an object {{…}} would be right")
            for name in required:
                if name not in row:
                    raise InputError(
                        f"{path}, line {line} has no {name!r}; found were {', '.join(row)[:200]}"
                    )
            yield line, row
    if not line:
        raise InputError(f"{path} is empty; JSON lines with {', '.join(required)} would be right")
