"""From a CSV table that Fedloom wrote to a typed Parquet file, in constant memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from fedloom.errors import DataError, OutputError
from fedloom.files import open_replacing
from fedloom.records.schema import Table, describe_columns

__all__ = ["DTYPES", "scan_table", "sink_table", "write_table"]

DTYPES: dict[type, type[pl.DataType]] = {
    str: pl.String,
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
}
"""The Polars type of each kind of column."""

_ROWS_PER_GROUP = 100_000


def scan_table(csv_path: Path, kinds: Mapping[str, type]) -> pl.LazyFrame:
    """Return a lazy frame over a well-formed CSV file, typed by `kinds`; empty cells are null."""
    schema = {name: DTYPES[kind] for name, kind in kinds.items()}
    return pl.scan_csv(csv_path.absolute(), schema=schema, glob=False)


def sink_table(frame: pl.LazyFrame, path: Path) -> None:
    """Write a lazy frame to a Parquet file in one step, a part of its rows at a time.

    Raises:
        OutputError: the place cannot be written or the disk is full.
        DataError: the rows do not have the types that were promised.
    """
    with open_replacing(path) as file:
        try:
            frame.sink_parquet(Path(file.name).absolute(), row_group_size=_ROWS_PER_GROUP)
        except pl.exceptions.ComputeError as error:
            reason = str(error).strip().splitlines()[0]
            if "space left" in reason or "transport error" in reason:  # of the file's last page
                raise OutputError(
                    f"cannot write {path}: No space left on device, or a failing one ({reason})"
                ) from error
            raise DataError(f"cannot write {path}: {reason}") from error


def write_table(csv_path: Path, path: Path, table: Table) -> None:
    """Write one table of a run as Parquet; a missing CSV file is a table without rows."""
    columns = describe_columns(table)
    kinds = {column.name: column.kind for column in columns}
    if csv_path.exists() and csv_path.stat().st_size:
        frame = scan_table(csv_path, kinds)
    else:
        frame = pl.LazyFrame(schema={name: DTYPES[kind] for name, kind in kinds.items()})
    texts = [column.name for column in columns if column.kind is str]
    sink_table(frame.with_columns(pl.col(texts).fill_null("")), path)
