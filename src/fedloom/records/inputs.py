"""Which files a merge reads: names and patterns, in natural order, never its own output."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from fedloom.errors import DataError

__all__ = ["find_inputs"]


def find_inputs(inputs: Sequence[str | os.PathLike[str]], output: Path | None) -> list[Path]:
    """Return the files that `inputs` name, in their order; those of a pattern in natural order.

    A file named outright is read as often as it is named; a pattern adds only files that are not
    there yet. The output is left out wherever it turns up, so a shell's ``*.csv`` may match it.

    Args:
        inputs: paths and patterns (``*``, ``?``, ``[…]``, ``**``), absolute or relative.
        output: the file that will be written, or None.

    Raises:
        DataError: a file does not exist or is a folder, a pattern matches nothing, or nothing but
            the output is left.
    """
    found: list[Path] = []
    there: set[str] = set()
    for given in [os.fspath(item) for item in inputs]:
        if Path(given).exists() or not glob.has_magic(given):
            new = [_check_file(Path(given))]
        else:
            new = [path for path in _match(given) if os.path.realpath(path) not in there]
        found += new
        there.update(os.path.realpath(path) for path in new)
    kept = [path for path in found if output is None or not _is_same(path, output)]
    if not kept:
        what = f"only the output {output} itself" if found else "nothing"
        raise DataError(f"there is {what} to merge: name at least one CSV or Parquet file")
    return kept


def _check_file(path: Path) -> Path:
    if path.is_dir():
        raise DataError(f"{path} is a folder: name its files, for example {path / '*.csv'}")
    if not path.exists():
        raise DataError(f"no such file: {path}")
    return path


def _match(pattern: str) -> list[Path]:
    # Path.glob refuses absolute patterns.
    paths = [Path(name) for name in glob.iglob(pattern, recursive=True)]  # noqa: PTH207
    files = sorted((path for path in paths if path.is_file()), key=_natural_key)
    if not files:
        raise DataError(f"no file matches {pattern!r}")
    return files


def _natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort ``run_2`` before ``run_10``."""
    parts = re.split(r"([0-9]+)", str(path))
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts if p]


def _is_same(path: Path, output: Path) -> bool:
    """Tell whether two names lead to one file, through links too."""
    if os.path.realpath(path) == os.path.realpath(output):
        return True
    return output.exists() and path.samefile(output)
