"""Which run to report where none is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedloom.bench.places import RESULTS, RunPlace
from fedloom.bench.results.saved import has_saved
from fedloom.errors import NotFoundError

__all__ = ["latest_run", "page_of"]

SEVERAL = "study-report.html"
"""The page of several runs, in the working directory."""


def latest_run(folder: Path | None = None) -> Path:
    """Return the folder of the run that was started, or whose logs were imported, last.

    Args:
        folder: of all runs; None: ``federated-learning-results`` in the working directory.

    Raises:
        NotFoundError: there is no run.
    """
    place = Path(RESULTS) if folder is None else folder
    paths = sorted(place.iterdir()) if place.is_dir() else []
    found = [(began, path) for path in paths if (began := _began_ns(path)) is not None]
    if not found:
        raise NotFoundError(
            f"no run is in {place}: start one with `fedloom bench`, or name the folder of a run"
        )
    return max(found)[1]


def _began_ns(path: Path) -> int | None:
    """When a run's study or its imported tables were written; None where there is no run."""
    if has_saved(path):
        return max((table.stat().st_mtime_ns for table in path.glob("*.parquet")), default=None)
    study = RunPlace(path).study
    return study.stat().st_mtime_ns if study.is_file() else None


def page_of(runs: Sequence[Path]) -> Path:
    """Return where the report of some runs goes unless another place is named.

    Args:
        runs: their folders.

    Example:
        >>> page_of([Path("results/first")]).as_posix(), page_of([Path("a"), Path("b")]).as_posix()
        ('results/first/report.html', 'study-report.html')
    """
    return RunPlace(runs[0]).report if len(runs) == 1 else Path(SEVERAL)
