"""What commands print: results as JSON, files with their sizes, warnings."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["print_files", "print_json", "print_warnings", "spell_size"]

_UNITS = ("B", "kB", "MB", "GB", "TB")


def print_json(document: Any) -> None:
    """Print one JSON document on standard output.

    Raises:
        ValueError: it holds NaN or an infinity, which JSON has not.
    """
    plain = not sys.stdout.encoding.lower().startswith("utf")
    print(json.dumps(document, indent=2, ensure_ascii=plain, allow_nan=False))


def print_files(paths: Iterable[Path]) -> None:
    """Print the names of files and their sizes, a line each."""
    for path in paths:
        print(f"  {path}: {spell_size(path.stat().st_size)}")


def print_warnings(texts: Iterable[str]) -> None:
    """Print warnings on standard error, a line each."""
    for text in texts:
        print(f"fedloom: warning: {text}", file=sys.stderr)


def spell_size(size: int) -> str:
    """Return a number of bytes in the unit that leaves one to three digits before the point.

    Example:
        >>> spell_size(830), spell_size(1_559), spell_size(999_960)
        ('830 B', '1.6 kB', '1.0 MB')
    """
    value, power = float(size), 0
    while round(value, 1) >= 1000 and power < len(_UNITS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.1f} {_UNITS[power]}" if power else f"{size} B"
