"""Merging tables of records: any number of CSV and Parquet files into one, in constant memory.

The heads of all files are read first, which gives the union of the columns in order of first
appearance; then their rows pass through, one at a time, as the text they are. Nothing here needs
Polars unless a Parquet file or a data frame takes part: merging a few lines must not cost a second.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

from fedloom.errors import InputError, OutputError
from fedloom.files import open_replacing, output_errors
from fedloom.records.csvtext import encode_row, encode_utf8
from fedloom.records.inputs import find_inputs
from fedloom.records.kinds import ColumnKinds
from fedloom.records.seen import RowIdentity, open_seen_rows
from fedloom.records.sources import Source, open_source

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ID_COLUMN", "MergeSummary", "Progress", "merge", "merge_files"]

ID_COLUMN = "MLaaS_ID"
"""Default name of the sequential id, as in the original."""

Progress = Callable[[int, int], None]
"""Called now and then with the bytes read so far and in all."""

_ROWS_PER_WRITE = 1_000
_ROWS_PER_PROGRESS = 10_000


@dataclass(frozen=True)
class MergeSummary:
    """What a merge did.

    Attributes:
        rows: rows written.
        files: files read.
        duplicates: rows left out because an earlier one was the same.
        output: the file written.
    """

    rows: int
    files: int
    duplicates: int
    output: Path


@dataclass(frozen=True)
class _Job:
    """What is to be merged, after all names were looked up."""

    sources: Sequence[Source]
    columns: list[str]
    id_col: str
    start_id: int
    dedupe: bool
    progress: Progress | None


def merge(
    inputs: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    id_col: str = ID_COLUMN,
    start_id: int = 1,
    dedupe: bool = False,
) -> pl.DataFrame:
    """Merge tables of records into one data frame, and into a file if one is named.

    Args:
        inputs: paths and patterns of CSV and Parquet files, or one of them.
        output: a ``.csv`` or ``.parquet`` file to write as well; it is never read.
        id_col: name of the sequential id, the last column.
        start_id: the first id.
        dedupe: whether to keep only the first of rows that are the same; see `RowIdentity`.

    Returns:
        All rows, in the order of the inputs; typed by Fedloom's schema, other columns by what
        they hold; missing values are null.

    Raises:
        DataError: an input is missing, unreadable or malformed; names file and line.
        OutputError: the output cannot be written.

    Example:
        >>> frame = merge("outputs/runs/*.csv", dedupe=True)  # doctest: +SKIP
    """
    from fedloom.records.parquet import scan_table, sink_table

    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    target = None if output is None else _check_output(Path(output))
    job = _prepare(given, target, id_col, start_id, dedupe)
    with TemporaryDirectory(prefix="fedloom-merge-") as folder:
        is_csv = target is not None and target.suffix == ".csv"
        csv_path = target if target is not None and is_csv else Path(folder) / "merged.csv"
        kinds = _write_typed(job, csv_path).kinds
        frame = scan_table(csv_path, kinds).collect()
    if target is not None and not is_csv:
        sink_table(frame.lazy(), target)
    return frame


def merge_files(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    id_col: str = ID_COLUMN,
    start_id: int = 1,
    dedupe: bool = False,
    progress: Progress | None = None,
) -> MergeSummary:
    """Merge tables of records into a file, whatever their size, in constant memory.

    Args:
        inputs: paths and patterns of CSV and Parquet files.
        output: the ``.csv`` (suffix added when missing) or ``.parquet`` file to write; replaced in
            one step at the end, and never read, even where a pattern matches it.
        id_col: name of the sequential id, the last column; a column of that name is replaced.
        start_id: the first id.
        dedupe: whether to keep only the first of rows that are the same; see `RowIdentity`.
        progress: called now and then with the bytes read so far and in all.

    Raises:
        DataError: an input is missing, unreadable or malformed; names file and line.
        OutputError: the output cannot be written, or is neither CSV nor Parquet.
    """
    target = _check_output(Path(output))
    job = _prepare(list(inputs), target, id_col, start_id, dedupe, progress)
    if target.suffix == ".csv":
        with open_replacing(target) as file:
            rows, duplicates = _stream(job, file)
    else:
        rows, duplicates = _write_parquet(job, target)
    return MergeSummary(rows, len(job.sources), duplicates, target)


def _check_output(output: Path) -> Path:
    """Return the output with its suffix; refuse what cannot become a table."""
    if not output.suffix:
        output = output.with_name(f"{output.name}.csv")
    if output.suffix not in (".csv", ".parquet"):
        raise OutputError(f"cannot write {output}: name it .csv or .parquet")
    if output.is_dir():
        raise OutputError(f"cannot write {output}: it is a folder")
    return output


def _prepare(
    inputs: Sequence[str | os.PathLike[str]],
    target: Path | None,
    id_col: str,
    start_id: int,
    dedupe: bool,
    progress: Progress | None = None,
) -> _Job:
    """Look up the inputs and read the head of each."""
    if not id_col:
        raise InputError("id_col is empty: name the column of the sequential id")
    sources = [open_source(path) for path in find_inputs(inputs, target)]
    names = dict.fromkeys(name for source in sources for name in source.columns)
    columns = [name for name in names if name != id_col]
    return _Job(sources, columns, id_col, start_id, dedupe, progress)


@dataclass(frozen=True)
class _Typed:
    """A merged CSV file: what its columns hold, and how many rows were written and left out."""

    kinds: dict[str, type]
    rows: int
    duplicates: int


def _write_typed(job: _Job, csv_path: Path) -> _Typed:
    """Merge into a CSV file and find out on the way what its columns hold."""
    found = ColumnKinds(job.columns)
    with open_replacing(csv_path) as file:
        rows, duplicates = _stream(job, file, found)
    kinds = dict(zip(job.columns, found.kinds, strict=True))
    return _Typed({**kinds, job.id_col: int}, rows, duplicates)


def _write_parquet(job: _Job, target: Path) -> tuple[int, int]:
    """Merge into a Parquet file by way of a CSV file beside it: types are known at the end."""
    from fedloom.records.parquet import scan_table, sink_table

    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            csv_path = Path(folder) / "merged.csv"
            typed = _write_typed(job, csv_path)
            sink_table(scan_table(csv_path, typed.kinds), target)
    return typed.rows, typed.duplicates


def _stream(job: _Job, file: IO[bytes], kinds: ColumnKinds | None = None) -> tuple[int, int]:
    """Write header and rows; return how many rows were written and how many left out."""
    identity = RowIdentity(job.columns)
    next_id, duplicates = job.start_id, 0
    lines = [encode_row([*job.columns, job.id_col])]
    with open_seen_rows() if job.dedupe else nullcontext() as seen:
        for row in _rows(job):
            if seen is not None and not seen.add(identity.of(row)):
                duplicates += 1
                continue
            if kinds is not None:
                kinds.see(row)
            lines.append(encode_row([*row, str(next_id)]))
            next_id += 1
            if len(lines) >= _ROWS_PER_WRITE:
                file.write(encode_utf8(lines, "the merged table"))
                lines.clear()
    file.write(encode_utf8(lines, "the merged table"))
    return next_id - job.start_id, duplicates


def _rows(job: _Job) -> Iterator[list[str]]:
    """Yield the rows of all sources, laid out over the union of the columns."""
    total = sum(source.size_bytes for source in job.sources)
    done = 0
    for source in job.sources:
        place = {name: index for index, name in enumerate(source.columns)}
        places = [place.get(name, -1) for name in job.columns]
        for number, row in enumerate(source.rows()):
            if job.progress is not None and number % _ROWS_PER_PROGRESS == 0:
                job.progress(done + source.read_bytes, total)
            row.append("")  # at -1: what a column holds that this source lacks
            yield [row[index] for index in places]
        done += source.size_bytes
