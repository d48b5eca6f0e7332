"""Reading records back as data frames, whoever wrote them: Fedloom, the original, or a merge."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from fedloom.errors import DataError
from fedloom.records.legacy import complete_set, find_sets, rename_old_columns
from fedloom.records.metrics import METRICS
from fedloom.records.parquet import DTYPES
from fedloom.records.schema import (
    ClientRecord,
    MetricRecord,
    RoundRecord,
    Table,
    column_names,
    describe_columns,
)
from fedloom.records.sources import CsvSource, is_parquet
from fedloom.records.typed import RawTable, apply_schema
from fedloom.records.write import CLIENTS, ROUNDS

__all__ = ["read_metrics", "read_records", "read_rounds"]

_ROWS_AT_ONCE = 10_000


def read_records(path: str | os.PathLike[str]) -> pl.DataFrame:
    """Read a table of clients: a row per client and round.

    Args:
        path: a CSV or Parquet file, of a run or merged; the folder of a run; a file or a folder of
            the original's, whose columns get Fedloom's names.

    Returns:
        All columns of the schema, in order and typed, and after them what else the file has. A
        column that the file lacks is null, or empty if it is text.

    Raises:
        DataError: the file is missing, malformed (names file and line) or holds no clients.

    Example:
        >>> clients = read_records("outputs/runs/clients.csv")  # doctest: +SKIP
    """
    files = _find_files(Path(path), CLIENTS, "client_rounds")
    return _concat([_read(file, _read_raw(file), ClientRecord) for file in files])


def read_rounds(path: str | os.PathLike[str]) -> pl.DataFrame:
    """Read a table of rounds: a row per round.

    Args:
        path: as for `read_records`; for a run's table of clients, the table of rounds in the run's
            folder (of the same name, beside it). Without one, what clients tell about their
            rounds is put together from their rows, and the rest is null.

    Returns:
        All columns of the schema, in order and typed, and after them what else the file has.

    Raises:
        DataError: the file is missing or malformed; names file and line.
    """
    path = Path(path)
    beside = path.with_suffix("")
    if path.is_file() and any(
        (beside / f"{ROUNDS}.{kind}").exists() for kind in ("csv", "parquet")
    ):
        path = beside
    return _concat([_read_rounds(file) for file in _find_files(path, ROUNDS, "rounds")])


def read_metrics(folder: str | os.PathLike[str]) -> pl.DataFrame:
    """Read a run's table of metrics: a row per number that a package's client reported.

    Args:
        folder: of the run.

    Returns:
        The columns of the schema; no rows where no client reported anything.

    Raises:
        DataError: the table is malformed; names file and line.
    """
    for suffix in ("parquet", "csv"):
        file = Path(folder) / f"{METRICS}.{suffix}"
        if file.exists():
            return _read(file, _read_raw(file), MetricRecord)
    return pl.DataFrame(schema={c.name: DTYPES[c.kind] for c in describe_columns(MetricRecord)})


def _read_rounds(file: Path) -> pl.DataFrame:
    raw = _read_raw(file)
    if "client_id" in rename_old_columns(raw, ClientRecord).frame.columns:
        return _sum_up(_read(file, raw, ClientRecord))
    return _read(file, raw, RoundRecord)


def _find_files(path: Path, name: str, old_name: str) -> list[Path]:
    """Return the files of one table that a path stands for."""
    if not path.is_dir():
        if not path.exists():
            raise DataError(f"no such file or folder: {path}")
        return [path]
    for candidate in (path / f"{name}.parquet", path / f"{name}.csv"):
        if candidate.is_file():
            return [candidate]
    if found := find_sets(path, old_name):
        return list(found)
    raise DataError(f"{path} is not the folder of a run: it has no {name}.parquet or {name}.csv")


def _read(file: Path, raw: RawTable, table: Table) -> pl.DataFrame:
    """Return what was read of a file as one of the two tables."""
    raw = rename_old_columns(complete_set(raw, file, _read_raw), table)
    needed = ["round", "client_id"] if table is ClientRecord else ["round"]
    if lacking := [name for name in needed if name not in raw.frame.columns]:
        kind = CLIENTS if table is ClientRecord else ROUNDS
        raise DataError(f"{file} is not a table of {kind}: it has no column {lacking[0]!r}")
    return apply_schema(raw, table)


def _read_raw(file: Path) -> RawTable:
    if is_parquet(file):
        try:
            return RawTable(str(file), pl.read_parquet(file.absolute(), glob=False))
        except pl.exceptions.PolarsError as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(f"{file} is not a sound Parquet file: {reason}") from error
    source = CsvSource(file)
    lines: list[int] = []
    parts = list(_read_parts(source, lines))
    return RawTable(str(file), pl.concat(parts), lines)


def _read_parts(source: CsvSource, lines: list[int]) -> Iterator[pl.DataFrame]:
    """Yield a CSV file's rows in frames of text, the first perhaps empty; note their lines."""
    rows = source.rows()
    while True:
        part = []
        for row in islice(rows, _ROWS_AT_ONCE):
            part.append(row)
            lines.append(source.line)
        cells = list(zip(*part, strict=True)) or [() for _ in source.columns]
        columns = zip(source.columns, cells, strict=True)
        yield pl.DataFrame([pl.Series(name, texts, dtype=pl.String) for name, texts in columns])
        if len(part) < _ROWS_AT_ONCE:
            return


def _concat(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")


def _sum_up(clients: pl.DataFrame) -> pl.DataFrame:
    """Return what clients tell about their rounds, as a table of rounds."""
    took_part = pl.col("participated")
    rows = pl.col("num_examples").filter(took_part)
    losses = pl.col("train_loss").filter(took_part)
    weights = rows.filter(losses.is_not_null())
    keys = ["run_id", "round"]
    same = [name for name in column_names(RoundRecord) if name in clients.columns]
    told = {
        "cohort_size": pl.len(),
        "participants": took_part.sum(),
        "num_examples": rows.sum(),
        "train_loss": (losses.drop_nulls() * weights).sum() / weights.sum(),
        "simulated_seconds": pl.col("simulated_seconds").max(),
        "train_seconds": pl.lit(None),
        "evaluate_seconds": pl.lit(None),
    }
    first = {name: pl.col(name).first() for name in same if name not in keys}
    rounds = clients.group_by(keys, maintain_order=True).agg(**{**first, **told})
    return apply_schema(RawTable("rounds", rounds), RoundRecord)
