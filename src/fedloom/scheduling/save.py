"""The files of a comparison: all are written, or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from fedloom.errors import OutputError
from fedloom.files import output_errors, write_text
from fedloom.naming import match_name
from fedloom.scheduling.comparison import Comparison

__all__ = ["save_comparison"]

_LONGEST = 120
"""Bytes of a file's name that a label may take; names end at 255."""


def save_comparison(
    comparison: Comparison, prefix: Path, *, log_format: str = "json", chrome: bool = False
) -> list[Path]:
    """Write a log for each policy, the comparison as JSON and as a page; return the paths.

    What is there under these names is replaced once everything has been written. A page shows up to
    32 policies; further ones follow on a second page, and so on.

    Args:
        comparison: what was found.
        prefix: beginning of the files' names, with their folder.
        log_format: of the logs, json or parquet.
        chrome: also write Chrome traces.

    Raises:
        OutputError: a file cannot be written; nothing has changed then.
    """
    suffix = match_name("format of logs", log_format, ["json", "parquet"])
    files: dict[Path, Callable[[Path], None]] = {}
    for number, name in enumerate(_file_names([each.label for each in comparison.outcomes])):
        files[Path(f"{prefix}_{name}_execution_log.{suffix}")] = _log(comparison, number)
        if chrome:
            files[Path(f"{prefix}_{name}_trace.json")] = _trace(comparison, number)
    files[Path(f"{prefix}_comparison.json")] = _json(comparison)
    files.update(_pages(comparison, prefix))
    for path in files:
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; choose another prefix")
    with _staging(prefix.parent) as staging:
        for path, write in files.items():
            write(staging / path.name)
        for path in files:
            with output_errors(path):
                (staging / path.name).replace(path)
    return list(files)


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Make a folder beside the outputs in which they wait; messages name their final place."""
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(mkdtemp(prefix=".fedloom-", dir=folder))
    try:
        yield staging
    except OutputError as error:
        raise OutputError(str(error).replace(str(staging), str(folder))) from error
    finally:
        rmtree(staging, ignore_errors=True)


def _log(comparison: Comparison, number: int) -> Callable[[Path], None]:
    from fedloom.scheduling.log.write import write_log

    outcome = comparison.outcomes[number]
    return lambda path: write_log(path, comparison.problem, outcome.schedule, outcome.metrics)


def _trace(comparison: Comparison, number: int) -> Callable[[Path], None]:
    from fedloom.scheduling.log.chrome import chrome_trace

    outcome = comparison.outcomes[number]
    return lambda path: chrome_trace(path, comparison.problem, outcome.schedule)


def _json(comparison: Comparison) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        text = json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        write_text(path, text + "\n")

    return write


def _pages(comparison: Comparison, prefix: Path) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    from fedloom.scheduling.page.comparison import MOST_POLICIES, write_comparison
    from fedloom.scheduling.page.view import PolicyResult

    results = [
        PolicyResult(outcome.schedule, outcome.metrics.to_dict()) for outcome in comparison.outcomes
    ]

    def writing(shown: Sequence[PolicyResult]) -> Callable[[Path], None]:
        return lambda path: write_comparison(shown, comparison.problem, path)

    for page, first in enumerate(range(0, len(results), MOST_POLICIES), 1):
        path = Path(f"{prefix}.html" if page == 1 else f"{prefix}_{page}.html")
        yield path, writing(results[first : first + MOST_POLICIES])


def _file_names(labels: Sequence[str]) -> list[str]:
    """Return labels as parts of files' names, all different, also where case does not count."""
    taken: set[str] = set()
    names = []
    for label in labels:
        plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in label)
        plain = "-".join(part for part in plain.split("-") if part) or "policy"
        plain = plain.encode()[:_LONGEST].decode(errors="ignore")
        number, name = 1, plain
        while name.casefold() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names
