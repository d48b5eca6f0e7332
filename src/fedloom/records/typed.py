"""Giving columns of text the types of the schema, with an error that finds the cell."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from fedloom.errors import DataError
from fedloom.records.kinds import find_kind
from fedloom.records.parquet import DTYPES
from fedloom.records.schema import Column, Table, describe_columns

__all__ = ["RawTable", "apply_schema"]

_TRUE, _FALSE = ["true", "1", "1.0"], ["false", "0", "0.0"]
_EXPECTED = {int: "a whole number", float: "a number", bool: "True or False"}


@dataclass(frozen=True)
class RawTable:
    """A table as it was read.

    Attributes:
        name: the file, for error messages.
        frame: its columns: of text from a CSV file, typed from a Parquet file.
        lines: the line of the file on which each row starts; empty for a Parquet file.
    """

    name: str
    frame: pl.DataFrame
    lines: Sequence[int] = ()

    def place(self, row: int) -> str:
        """Return where a row stands, for an error message."""
        at = f"line {self.lines[row]}" if self.lines else f"row {row + 1}"
        return f"{self.name}, {at}"


def apply_schema(raw: RawTable, table: Table) -> pl.DataFrame:
    """Return a frame with all columns of `table`, in order and typed, and its other columns after.

    A column that is not there is null, or empty if it is text. Counts of labels become JSON if
    they were a Python dict. NaN becomes null. Other columns get the type that they hold.

    Raises:
        DataError: a cell does not fit its column's type; names file, line, column and cell.
    """
    columns = describe_columns(table)
    typed = [_convert(raw, column) for column in columns]
    known = {column.name for column in columns}
    others = [_guess(raw.frame[name]) for name in raw.frame.columns if name not in known]
    return pl.DataFrame([*typed, *others])


def _convert(raw: RawTable, column: Column) -> pl.Series:
    """Return one column of the schema."""
    if column.name not in raw.frame.columns:
        filler = "" if column.kind is str else None
        return pl.Series(column.name, [filler] * raw.frame.height, dtype=DTYPES[column.kind])
    given = raw.frame[column.name]
    text = given.cast(pl.String).fill_null("")
    if column.kind is str:
        return _read_counts(raw, text) if column.name == "label_counts" else text
    found = given if given.dtype == DTYPES[column.kind] else _parse(text, column.kind)
    found = found.fill_nan(None) if column.kind is float else found
    missing = ["", "nan", "-nan"] if column.kind in (float, int) else [""]
    wrong = (found.is_null() & ~text.str.to_lowercase().is_in(missing)).arg_true()
    if len(wrong):
        row = wrong[0]
        raise DataError(
            f"{raw.place(row)}: {column.name} is {text[row]!r} instead of {_EXPECTED[column.kind]}"
        )
    return found


def _parse(text: pl.Series, kind: type) -> pl.Series:
    """Return text as values of a kind, null where it is none."""
    if kind is bool:
        lower = text.str.to_lowercase()
        no_answer = pl.when(lower.is_in(_FALSE)).then(False).otherwise(None)
        return (
            pl.select(pl.when(lower.is_in(_TRUE)).then(True).otherwise(no_answer))
            .to_series()
            .alias(text.name)
        )
    if kind is int:
        # pandas writes whole numbers with a ".0" once one of them is missing.
        return text.str.strip_suffix(".0").cast(pl.Int64, strict=False)
    return text.cast(pl.Float64, strict=False)


def _read_counts(raw: RawTable, text: pl.Series) -> pl.Series:
    """Return counts of labels as JSON; the original wrote the text of a Python dict."""
    as_json = {}
    for counts in text.unique(maintain_order=True):
        try:
            as_json[counts] = _to_json(counts)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            row = (text == counts).arg_true()[0]
            raise DataError(
                f"{raw.place(row)}: {text.name} is {counts[:60]!r} instead of a JSON object"
            ) from None
    return text.replace_strict(as_json, return_dtype=pl.String) if as_json else text


def _to_json(counts: str) -> str:
    """Return a JSON object as it is, and a Python dict as JSON."""
    if not counts:
        return counts
    try:
        parsed = json.loads(counts)
    except ValueError:
        parsed = ast.literal_eval(counts)
        counts = json.dumps(parsed, separators=(",", ":"), ensure_ascii=False)
    if not isinstance(parsed, dict):
        raise TypeError("not a mapping")
    return counts


def _guess(column: pl.Series) -> pl.Series:
    """Return a column that the schema does not know, as what its text holds."""
    if column.dtype != pl.String:
        return column
    kind = find_kind(column.drop_nulls())
    if kind is str:
        return column
    blank_is_null = column.set(column == "", None)
    if kind is bool:
        return blank_is_null.str.to_lowercase() == "true"
    return blank_is_null.cast(DTYPES[kind], strict=False)
