"""What stays out of a package: caches and environments always, and what the ignore files name.

A line of an ignore file can be read in two ways, as git reads it and as the systems that Fedloom
replaces read it. A file that either reading excludes stays out, because a file too few shows in the
first run, and data that slipped out never comes back.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

from fedloom.errors import PackageError

__all__ = ["IGNORE_FILES", "IgnoreLines", "is_never_packed", "read_ignore_lines"]

IGNORE_FILES = (".ignore", ".scaleoutignore", ".fednignore")
"""Files that name what stays out; all that lie in a folder count."""

_NEVER_FOLDERS = frozenset(
    {
        *(".git", ".hg", ".svn", "__pycache__", ".venv", ".scaleout", ".fedloom"),
        *(".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
    }
)
_NEVER_FILES = frozenset((".DS_Store", "Thumbs.db"))
_NEVER_SUFFIXES = (".pyc", ".pyo")


def is_never_packed(path: Path, *, is_folder: bool) -> bool:
    """Say whether a path stays out of every package: a cache, a repository, an environment."""
    if path.name == ".git":  # a file in the work tree of a submodule
        return True
    if is_folder:
        return path.name in _NEVER_FOLDERS or (path / "pyvenv.cfg").is_file()
    return path.name in _NEVER_FILES or path.name.endswith(_NEVER_SUFFIXES)


@dataclass(frozen=True)
class IgnoreLines:
    """The lines of one folder's ignore files, in both readings.

    Attributes:
        git: the lines as git reads them.
        globs: the lines as fnmatch patterns.
        negated: lines that begin with ``!``; in the second reading they re-include nothing.
    """

    git: GitIgnoreSpec
    globs: tuple[str, ...]
    negated: tuple[str, ...] = ()

    @classmethod
    def parse(cls, lines: Iterable[str]) -> IgnoreLines:
        """Read the lines of ignore files.

        Example:
            >>> lines = IgnoreLines.parse(["*.npz", "!seed.npz", "data/"])
            >>> lines.exclude_file("seed.npz"), lines.exclude_folder("data")
            (True, True)
        """
        written = list(lines)
        globs = [line.strip() for line in written]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `[[]` may mean more to `re` one day
            git = GitIgnoreSpec.from_lines(filter(_git_can_read, written), backend="simple")
        return cls(
            git=git,
            globs=tuple(glob for glob in globs if glob and not glob.startswith("#")),
            negated=tuple(glob for glob in globs if glob.startswith("!")),
        )

    def exclude_file(self, path: str) -> bool:
        """Say whether a file stays out, its folders left aside.

        Args:
            path: from the ignore file's folder, with forward slashes.
        """
        name = PurePosixPath(path).name
        return self.git.match_file(path) or any(
            fnmatchcase(path, glob) or fnmatchcase(name, glob) for glob in self.globs
        )

    def exclude_folder(self, path: str) -> bool:
        """Say whether all below a folder stays out; only git reads lines so.

        Args:
            path: as for `exclude_file`.
        """
        return self.git.match_file(f"{path}/")


def read_ignore_lines(folder: Path) -> IgnoreLines | None:
    """Read the ignore files of one folder; None where it has none.

    Raises:
        PackageError: an ignore file cannot be read.
    """
    lines: list[str] = []
    for name in IGNORE_FILES:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            lines += _read_lines(path)
    return IgnoreLines.parse(lines) if lines else None


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PackageError(f"{path} is no UTF-8 text: {error.reason}") from error
    return [line.removesuffix("\r") for line in text.split("\n")]


def _git_can_read(line: str) -> bool:
    """Say whether a line is a pattern for git, which passes over the others."""
    try:
        GitIgnoreSpec.from_lines([line], backend="simple")
    except (ValueError, re.error):
        return False
    return True
