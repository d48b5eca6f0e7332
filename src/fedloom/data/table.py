"""Data sets in CSV files: numeric columns, and one column of labels."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedloom.data.raw import AnyArray, RawData, find_existing
from fedloom.errors import DataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["load_csv"]


def load_csv(path: str, label_column: str | None) -> RawData:
    """Read a CSV file with a header, separated by commas.

    Args:
        path: the file.
        label_column: the column of labels; whole numbers, numbers or text. All others are
            features and must be numbers in every row. The result is a table, whose features (and
            a numeric target) are standardised later.

    Raises:
        DataError: the file is missing or malformed, the label column is not named or not there,
            or a value is no finite number; the message names the column and the first bad line.
    """
    found = find_existing(path, "CSV file")
    header = _read_header(found)
    if label_column is None:
        raise DataError(
            f"name the label column of {found} with --label-column: {', '.join(header)}"
        )
    if label_column not in header:
        raise DataError(
            f"{found} has no column {label_column!r} for the labels: it has {', '.join(header)}"
        )
    if len(header) < 2:
        raise DataError(f"{found} has no column beside the labels in {label_column!r}")
    frame = _read_frame(found, header)
    features = [_read_numbers(frame[name], found) for name in header if name != label_column]
    labels = _read_labels(frame[label_column], found)
    return RawData(np.stack(features, axis=1), labels, is_table=True)


def _read_header(found: Path) -> list[str]:
    """Return the columns' names; polars would rename duplicates without a word."""
    try:
        with found.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(_describe(error, found)) from error
    if not header:
        raise DataError(f"{found} is empty: a header and rows are wanted")
    for position, name in enumerate(header, start=1):
        if not name.strip():
            raise DataError(
                f"column {position} of {found} has no name: name it, or remove it if it only "
                f"counts the rows"
            )
        if header.count(name) > 1:
            raise DataError(f"{found} has more than one column {name!r}")
    return header


def _read_frame(found: Path, header: list[str]) -> pl.DataFrame:
    """Return all values as text, without empty lines at the end."""
    import polars as pl

    try:
        frame = pl.read_csv(found, infer_schema=False, raise_if_empty=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(_find_fault(found) or _describe(error, found)) from error
    filled = np.flatnonzero(frame.select(~pl.all_horizontal(pl.all().is_null())).to_numpy())
    if not len(filled) or frame.width != len(header):
        raise DataError(f"{found} has a header but no row")
    frame.columns = header
    return frame.head(int(filled[-1]) + 1)


def _find_fault(found: Path) -> str | None:
    """Return which line is malformed, for a file that was refused."""
    try:
        with found.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            width = len(next(rows))
            for row in rows:
                if len(row) > width:
                    return f"{found} line {rows.line_num} has {len(row)} values, not {width}"
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return _describe(error, found)
    return None


def _find_line(found: Path, row: int) -> int:
    """Return the line of a row, which quoted line breaks above it move down."""
    with found.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        next(islice(rows, row + 1, None))
        return rows.line_num


def _read_numbers(column: pl.Series, found: Path) -> AnyArray:
    import polars as pl

    stripped = column.str.strip_chars()
    numbers = stripped.cast(pl.Float64, strict=False)
    good = numbers.is_finite().fill_null(value=False).to_numpy()
    if not good.all():
        row = int(np.argmin(good))
        text = stripped[row]
        fault = f"{text!r}, which is no finite number" if text else "empty"
        line = _find_line(found, row)
        raise DataError(f"column {column.name!r} of {found} is {fault}, in line {line}")
    return numbers.to_numpy()


def _read_labels(column: pl.Series, found: Path) -> AnyArray:
    """Return whole numbers if all labels are, else numbers if all are, else text."""
    import polars as pl

    stripped = column.str.strip_chars()
    if (missing := (stripped.fill_null("") == "").to_numpy()).any():
        line = _find_line(found, int(np.argmax(missing)))
        raise DataError(f"label column {column.name!r} of {found} is empty, in line {line}")
    for number in (pl.Int64, pl.Float64):
        numbers = stripped.cast(number, strict=False)
        if not numbers.null_count():
            return numbers.to_numpy()
    return stripped.to_numpy().astype(str)


def _describe(error: Exception, found: Path) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{found} is not UTF-8 text: {error.reason}"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"cannot read {found}: {reason.splitlines()[0]}"
