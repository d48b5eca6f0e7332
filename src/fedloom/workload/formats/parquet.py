"""Parquet files of requests: made from CSV rows, and read a part of their rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from fedloom.errors import InputError, OutputError
from fedloom.files import open_replacing
from fedloom.workload.formats.layout_table import COLUMNS

__all__ = ["read_rows", "sink_rows"]

_KINDS: dict[str, type[pl.DataType]] = {
    "priority": pl.Int64,
    "total_estimated_time": pl.Float64,
    "critical_path_time": pl.Float64,
}
_MOMENTS = ("timestamp", "deadline")
_ISO = "%Y-%m-%dT%H:%M:%S%.6f"
_ROWS_PER_GROUP = 16_384
_ROWS_AT_ONCE = 4096
_BYTES_AT_ONCE = 4 << 20


def sink_rows(rows: Path, starts: Sequence[int], path: Path) -> None:
    """Write a Parquet file from a CSV file of requests that this package wrote, part by part.

    Times and deadlines become timestamps in microseconds, without a zone.

    Args:
        rows: the CSV file.
        starts: some places in it where a row begins, the first row's among them; ascending.
        path: the file to write.

    Raises:
        OutputError: the place cannot be written or the disk is full.
    """

    def frames(columns: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
        for frame in _read_parts(rows, starts):
            yield frame if columns is None else frame.select(columns)

    lazy = register_io_source(frames, schema=_read_part(b"").schema, is_pure=True)
    with open_replacing(path) as file:
        try:
            lazy.sink_parquet(Path(file.name).absolute(), row_group_size=_ROWS_PER_GROUP)
        except pl.exceptions.PolarsError as error:
            reason = str(error).strip().partition("\n")[0]
            raise OutputError(f"cannot write {path}: {reason}; is there space left?") from error


def _read_parts(rows: Path, starts: Sequence[int]) -> Iterator[pl.DataFrame]:
    yield _read_part(b"")
    with rows.open("rb") as file:
        begin = starts[0] if starts else 0
        file.seek(begin)
        for end in starts[1:]:
            if end - begin >= _BYTES_AT_ONCE:
                yield _read_part(file.read(end - begin))
                begin = end
        if starts:
            yield _read_part(file.read())


def _read_part(text: bytes) -> pl.DataFrame:
    schema = {name: _KINDS.get(name, pl.String) for name in COLUMNS}
    frame = (
        pl.read_csv(text, has_header=False, schema=schema) if text else pl.DataFrame(schema=schema)
    )
    return frame.with_columns(pl.col(_MOMENTS).str.to_datetime(_ISO, time_unit="us"))


def read_rows(path: Path) -> Iterator[tuple[list[str], Iterator[tuple[Any, ...]]]]:
    """Yield the names of the columns and some thousand rows at a time; moments are ISO texts.

    Raises:
        InputError: the file is no Parquet file, or damaged.
    """
    try:
        frame = pl.scan_parquet(path.absolute(), glob=False)
        kinds = frame.collect_schema()
        frame = frame.with_columns(
            _in_utc(name, kind).dt.strftime(_ISO)
            for name, kind in kinds.items()
            if kind in (pl.Datetime, pl.Date)
        )
        for batch in frame.collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
            yield batch.columns, batch.iter_rows()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"{path}: this Parquet file cannot be read: {reason}") from error


def _in_utc(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column of moments in UTC, without a zone."""
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return pl.col(name).dt.convert_time_zone("UTC")
    return pl.col(name).cast(pl.Datetime("us"))
