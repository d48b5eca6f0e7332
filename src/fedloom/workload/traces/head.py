"""The beginning of a file, from which its kind is recognised."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedloom.naming import fold_name
from fedloom.workload.traces.text import open_text

__all__ = ["Head", "read_head"]

_CHARACTERS = 1 << 18


@dataclass(frozen=True, slots=True)
class Head:
    """How a file begins.

    Attributes:
        path: the file.
        text: its first 256 Ki characters.
        columns: the cells of its first line as CSV, folded (`fold_name`).
        record: its first JSON object: of a list, the first element; empty where it has none.
    """

    path: Path
    text: str
    columns: tuple[str, ...]
    record: dict[str, Any]

    def has_columns(self, *names: str) -> bool:
        """Return whether the first line has all these column names."""
        return {fold_name(name) for name in names} <= set(self.columns)


def read_head(path: Path) -> Head:
    """Read the beginning of a file.

    Raises:
        InputError: it cannot be read.
    """
    with open_text(path) as file:
        text = file.read(_CHARACTERS)
    first = text.partition("\n")[0]
    cells = next(csv.reader([first.rstrip("\r")]), [])
    return Head(path, text, tuple(map(fold_name, map(str.strip, cells))), _first_object(text))


def _first_object(text: str) -> dict[str, Any]:
    """Return the first JSON object; a file that is one object larger than the head gives none."""
    start = text.lstrip(" \t\r\n[")
    if not start.startswith("{"):
        return {}
    try:
        found = json.JSONDecoder().raw_decode(start)[0]
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
