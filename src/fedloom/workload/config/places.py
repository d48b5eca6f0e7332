"""A configuration file as plain values, and where each of them stands in its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fedloom.workload.config.faults import KeyPath

__all__ = [
    "DEEPEST",
    "Document",
    "Parsed",
    "Place",
    "Repeated",
    "SourceError",
    "check_depth",
    "is_file",
]

DEEPEST = 100
"""Levels of nesting that a file may have; a configuration needs eight."""


class SourceError(Exception):
    """A text is not what its suffix says; never leaves the reading of configurations.

    Args:
        problem: what is wrong.
        line: counted from 1, where known.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


class Repeated(NamedTuple):
    """A key that stands twice in one map; the last one counts."""

    path: KeyPath
    line: int
    first_line: int


class Place(NamedTuple):
    """Where a value stands: the file as the user named it, its line, and the file's folder."""

    file: str
    line: int | None
    folder: Path


@dataclass(frozen=True)
class Parsed:
    """What a text holds.

    Attributes:
        value: in plain Python; keys of maps are text as written.
        lines: path → line, counted from 1, for as many paths as the format tells.
        repeated: keys that stand twice in one map.
    """

    value: Any
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    repeated: tuple[Repeated, ...] = ()


@dataclass(frozen=True)
class Document:
    """A configuration file that was read.

    Attributes:
        file: as the user named it.
        folder: what relative paths in it start from.
        value: the map at the top.
        lines: path → line.
        repeated: keys that stand twice in one map.
    """

    file: str
    folder: Path
    value: Mapping[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    repeated: tuple[Repeated, ...] = ()


def check_depth(value: Any) -> None:
    """Refuse a value that nests deeper than `DEEPEST`: nothing behind this needs to mind.

    Raises:
        SourceError: it does.
    """
    level: Iterable[Any] = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise SourceError(f"nests deeper than {DEEPEST} levels")


def is_file(path: Path) -> bool:
    """Return whether a path is a file; one that the system cannot even look at is none."""
    try:
        return path.is_file()
    except OSError:  # too long, or in a folder that is closed to us
        return False


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()
