"""Reading a log in Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from fedloom.errors import InputError
from fedloom.scheduling.log.columns import LARGEST_S, SCHEMA, gang_matrix
from fedloom.scheduling.log.fields import OPTIONAL_TIMES, REQUIRED_TEXTS, REQUIRED_TIMES
from fedloom.scheduling.log.log import Log
from fedloom.scheduling.log.table import PARQUET_KEY
from fedloom.workload.units import MICROSECONDS

__all__ = ["read_table"]

_NEEDED = (*REQUIRED_TEXTS, *REQUIRED_TIMES, "gpu_id")
_TIMES = (*REQUIRED_TIMES, *OPTIONAL_TIMES)


def read_table(path: Path) -> Log:
    """Return a log in Parquet.

    Raises:
        InputError: the file is cut off, or lacks a column, or one has another type.
    """
    try:
        head = _head(path)
        frame = pl.read_parquet(path.absolute(), glob=False)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        raise InputError(
            f"{path} is not a whole Parquet file ({reason}); write it again"
        ) from error
    for name in _NEEDED:
        if name not in frame.columns:
            raise InputError(f"{path} is no execution log: it has no column {name}")
    executions, gangs = _typed(path, frame), _gangs(path, frame)
    unfinished = head.get("unfinished_requests")
    return Log(
        path=path,
        summary=head.get("summary") or {},
        executions=executions,
        gpus=gang_matrix(gangs, executions["gpu_id"]),
        gangs_known=not gangs.null_count(),
        unfinished=None if unfinished is None else tuple(unfinished),
    )


def _head(path: Path) -> dict[str, Any]:
    text = pl.read_parquet_metadata(path.absolute()).get(PARQUET_KEY)
    head = json.loads(text) if text else {}
    return head if isinstance(head, dict) else {}


def _typed(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a log; those that the file has not are null."""
    columns = {}
    for name, kind in SCHEMA.items():
        if name not in frame.columns:
            columns[name] = pl.Series(name, [None] * len(frame), kind)
            continue
        column = frame[name]
        if name in _NEEDED and name != "gpu_id" and column.null_count():
            row = int(column.is_null().arg_max() or 0) + 1
            raise InputError(f"{path}, execution {row}: there is no {name}")
        try:
            columns[name] = _microseconds(path, column) if name in _TIMES else column.cast(kind)
        except pl.exceptions.PolarsError as error:
            raise InputError(f"{path}: column {name} is of type {column.dtype}") from error
    return pl.DataFrame(columns, schema=SCHEMA)


def _microseconds(path: Path, column: pl.Series) -> pl.Series:
    seconds = column.cast(pl.Float64)
    far = ~(seconds.abs() <= LARGEST_S).fill_null(True) | seconds.is_nan().fill_null(False)
    if far.any():
        row = int(far.arg_max() or 0)
        raise InputError(
            f"{path}, execution {row + 1}: {column.name} is {column[row]}; "
            "a number of seconds is needed"
        )
    return (seconds * MICROSECONDS).round().cast(pl.Int64)


def _gangs(path: Path, frame: pl.DataFrame) -> pl.Series:
    """Return the devices of gangs as lists; null where the file does not say."""
    if "gpu_ids" not in frame.columns:
        return pl.Series("gpu_ids", [None] * len(frame), pl.List(pl.Int32))
    try:
        return frame["gpu_ids"].cast(pl.List(pl.Int32))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: column gpu_ids is of type {frame['gpu_ids'].dtype}") from error
