"""Reading the runs of a report from the files that the records were written to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedloom.page.tables import RunTables, split_runs

__all__ = ["read_runs", "report_path"]


def read_runs(paths: Sequence[Path]) -> list[RunTables]:
    """Read runs from record files (CSV or Parquet) or run folders.

    A file that was merged from several runs gives one run per run_id.

    Raises:
        InputError: a file is missing, unreadable or malformed.
    """
    return [run for path in map(_find_run, paths) for run in split_runs(_read_run(path))]


def _read_run(path: Path) -> RunTables:
    from fedloom.records import read_metrics, read_records, read_rounds

    folder = path if path.is_dir() else path.with_suffix("")
    return RunTables(_name_of(path), read_records(path), read_rounds(path), read_metrics(folder))


def report_path(paths: Sequence[Path]) -> Path:
    """Return where a report goes that nobody chose a place for.

    The report of one run goes into the run's folder, or beside its table where there is none; the
    report of several goes into the working directory.
    """
    if len(paths) != 1:
        return Path("report.html")
    path = _find_run(paths[0])
    folder = path if path.is_dir() else path.with_suffix("")
    return folder / "report.html" if folder.is_dir() else Path(f"{folder}.report.html")


def _find_run(path: Path) -> Path:
    """Return the folder of a run where one of its two tables was named, else the path itself."""
    inside = path.stem in ("clients", "rounds") and (path.parent / "rounds.parquet").is_file()
    return path.parent if inside else path


def _name_of(path: Path) -> str:
    resolved = path.resolve()
    return resolved.name if resolved.is_dir() else resolved.stem
