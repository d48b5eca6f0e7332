"""TOML with the lines of its tables and keys."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from fedloom.workload.config.faults import KeyPath
from fedloom.workload.config.places import Parsed, SourceError, check_depth

__all__ = ["parse_toml"]

_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_KEY})\s*=")
_LONG_QUOTE = re.compile(r'"""|' + "'''")
_AT_LINE = re.compile(r" \(at line (\d+), (column \d+)\)$")


def parse_toml(text: str) -> Parsed:
    """Read a TOML text; keys that stand twice are refused by the format itself.

    Raises:
        SourceError: it is no TOML, or nests too deep.
    """
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        problem = _AT_LINE.sub(r", \2", str(error))
        raise SourceError(f"no valid TOML: {problem}", int(found[1]) if found else None) from error
    except (RecursionError, ValueError) as error:
        raise SourceError(f"no valid TOML: {error}") from error
    check_depth(value)
    return Parsed(value, _find_lines(text))


def _find_lines(text: str) -> dict[KeyPath, int]:
    """Find headers and assignments; what stands inside inline tables has its key's line."""
    lines: dict[KeyPath, int] = {}
    last: dict[KeyPath, int] = {}  # position of the last table of each array of tables
    table: KeyPath = ()
    for number, line in _outside_long_texts(text):
        if header := _HEADER.match(line):
            table = _enter(_split(header[2]), header[1] == "[[", last)
            lines[table] = number
        elif assignment := _ASSIGNMENT.match(line):
            lines[table + _split(assignment[1])] = number
    return lines


def _outside_long_texts(text: str) -> Iterator[tuple[int, str]]:
    inside: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if inside is None:
            yield number, line
        for quote in _LONG_QUOTE.findall(line):
            inside = quote if inside is None else None if inside == quote else inside


def _split(key: str) -> KeyPath:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in re.findall(_PART, key))


def _enter(names: KeyPath, is_array: bool, last: dict[KeyPath, int]) -> KeyPath:
    """Return the path of a table, with the positions of the arrays that it stands in."""
    path: KeyPath = ()
    for name in names[:-1]:
        path = (*path, name)
        path = (*path, last[path]) if path in last else path
    path = (*path, names[-1])
    if is_array:
        last[path] = last.get(path, -1) + 1
        path = (*path, last[path])
    return path
