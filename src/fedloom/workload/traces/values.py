"""Reading the numbers and times of traces, with errors that name file, line and column."""

from __future__ import annotations

from pathlib import Path

from fedloom.errors import InputError
from fedloom.workload.units import MICROSECONDS, parse_time

__all__ = ["read_count", "read_number", "read_seconds", "read_time"]

_MOST = 1e14
"""In milliseconds 3,000 years; more tokens or bytes than anyone has counted."""

_MOST_SECONDS = 1e11
_DIGITS = 15


def read_number(
    value: object, path: Path, line: int | str, column: str, least: float = 0.0
) -> float:
    """Return a number of at least `least`, and not beyond what any trace can mean (1e14).

    Args:
        value: text of a CSV file, or a value of a JSON file.
        path: the file, for the error.
        line: its line, or where else it stands (``element 3``), for the error.
        column: its column or field, for the error.
        least: the smallest that makes sense.

    Raises:
        InputError: it is no such number.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not least <= number <= _MOST or isinstance(value, bool):
        raise InputError(
            f"{_place(path, line)}: {column} is {_show(value)}; a number from {least:g} to "
            f"{_MOST:g} would be right"
        )
    return number


def read_count(value: object, path: Path, line: int | str, column: str, least: int = 0) -> int:
    """Return a whole number of at least `least`; ``12.0`` counts as 12 (see `read_number`)."""
    if (
        isinstance(value, str)
        and len(value) < _DIGITS
        and value.isdecimal()
        and (count := int(value)) >= least
    ):
        return count
    number = read_number(value, path, line, column, least)
    if number != int(number):
        raise InputError(
            f"{_place(path, line)}: {column} is {_show(value)}; a whole number would be right"
        )
    return int(number)


def read_seconds(value: object, path: Path, line: int | str, column: str) -> int:
    """Return seconds from 0 on as whole microseconds (see `read_number`)."""
    seconds = read_number(value, path, line, column)
    if seconds > _MOST_SECONDS:
        raise InputError(
            f"{_place(path, line)}: {column} is {_show(value)}; at most {_MOST_SECONDS:g} seconds "
            "would be right"
        )
    return round(seconds * MICROSECONDS)


def read_time(value: object, path: Path, line: int | str, column: str) -> int:
    """Return an ISO time as microseconds since 1970; a zone is converted to UTC.

    Raises:
        InputError: it is no such time.
    """
    try:
        return parse_time(value)  # type: ignore[arg-type]
    except (ValueError, AttributeError, TypeError, OverflowError):
        raise InputError(
            f"{_place(path, line)}: {column} is {_show(value)}; "
            "a time such as 2024-05-10 00:00:00.25 would be right"
        ) from None


def _show(value: object) -> str:
    return f"{value!r:.60}" if isinstance(value, str) else f"{value!s:.60}"


def _place(path: Path, line: int | str) -> str:
    return f"{path}, {line if isinstance(line, str) else f'line {line}'}"
