"""Data sets in CSV files: numeric columns, and one column of labels."""

from __future__ import annotations

import csv
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
    header = _read_header(found, path)
    if label_column is None:
        raise DataError(f"name the label column of {path} with --label-column: {', '.join(header)}")
    if label_column not in header:
        raise DataError(
            f"{path} has no column {label_column!r} for the labels: it has {', '.join(header)}"
        )
    if len(header) < 2:
        raise DataError(f"{path} has no column beside the labels in {label_column!r}")
    frame = _read_frame(found, path)
    if not frame.height:
        raise DataError(f"{path} has a header but no row")
    features = [_read_numbers(frame[name], path) for name in header if name != label_column]
    return RawData(
        np.stack(features, axis=1), _read_labels(frame[label_column], path), is_table=True
    )


def _read_header(found: Path, path: str) -> list[str]:
    """Return the columns' names; polars would rename duplicates without a word."""
    try:
        with found.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {_first_line(error)}") from error
    if not header:
        raise DataError(f"{path} is empty: a header and rows are wanted")
    for position, name in enumerate(header, start=1):
        if not name.strip():
            raise DataError(
                f"column {position} of {path} has no name: name it, or remove it if it only "
                f"counts the rows"
            )
        if header.count(name) > 1:
            raise DataError(f"{path} has more than one column {name!r}")
    return header


def _read_frame(found: Path, path: str) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_csv(found, infer_schema=False, raise_if_empty=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            _find_fault(found) or f"cannot read {path}: {_first_line(error)}"
        ) from error


def _find_fault(found: Path) -> str | None:
    """Return which line is malformed, for a file that was refused."""
    try:
        with found.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            width = len(next(rows))
            for row in rows:
                if len(row) > width:
                    return f"{found} line {rows.line_num} has {len(row)} values, not {width}"
    except UnicodeDecodeError as error:
        return f"{found} is not UTF-8 text: {error.reason} at byte {error.start}"
    except (OSError, csv.Error) as error:
        return f"cannot read {found}: {_first_line(error)}"
    return None


def _read_numbers(column: pl.Series, path: str) -> AnyArray:
    import polars as pl

    stripped = column.str.strip_chars()
    numbers = stripped.cast(pl.Float64, strict=False)
    good = numbers.is_finite().fill_null(value=False).to_numpy()
    if not good.all():
        row = int(np.argmin(good))
        text = stripped[row]
        fault = f"{text!r}, which is no finite number" if text else "empty"
        raise DataError(f"column {column.name!r} of {path} is {fault}, in line {row + 2}")
    return numbers.to_numpy()


def _read_labels(column: pl.Series, path: str) -> AnyArray:
    """Return whole numbers if all labels are, else numbers if all are, else text."""
    import polars as pl

    stripped = column.str.strip_chars()
    if (missing := (stripped.fill_null("") == "").to_numpy()).any():
        row = int(np.argmax(missing))
        raise DataError(f"label column {column.name!r} of {path} is empty in line {row + 2}")
    for number in (pl.Int64, pl.Float64):
        numbers = stripped.cast(number, strict=False)
        if not numbers.null_count():
            return numbers.to_numpy()
    return stripped.to_numpy().astype(str)


def _first_line(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror or str(error) or type(error).__name__).splitlines()[0]
