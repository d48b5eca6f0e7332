"""The unit of time of workloads and schedules: whole microseconds.

Whole numbers add up exactly, so a total, a critical path or a schedule is the same on every machine
and in every order of addition. Files and people read seconds with six decimals.
"""

from __future__ import annotations

from datetime import datetime, timedelta

__all__ = [
    "DEFAULT_START",
    "EPOCH",
    "MICROSECONDS",
    "format_time",
    "parse_time",
    "to_microseconds",
    "to_seconds",
]

DEFAULT_START = "2024-01-01T10:00:00"
"""When requests begin unless stated: fixed, so that a seed means the same bytes."""

MICROSECONDS = 1_000_000
"""Microseconds in a second."""

EPOCH = datetime(1970, 1, 1)
"""Times of requests count from here; they carry no zone."""


def to_microseconds(seconds: float) -> int:
    """Return seconds as whole microseconds, rounded to the nearest.

    Example:
        >>> to_microseconds(10.24)
        10240000
    """
    return round(seconds * MICROSECONDS)


def to_seconds(microseconds: int) -> float:
    """Return whole microseconds as seconds: the number that six decimals spell."""
    return int(microseconds) / MICROSECONDS


def parse_time(text: str) -> int:
    """Return an ISO time as microseconds since 1970; a zone is converted to UTC and dropped.

    Digits after the sixth of a fraction are cut (Azure's traces write seven).

    Raises:
        ValueError: the text is no ISO time.

    Example:
        >>> parse_time("1970-01-01T00:00:01.500000")
        1500000
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is not None:
        moment = (moment - moment.utcoffset()).replace(tzinfo=None)  # type: ignore[operator]
    return (moment - EPOCH) // timedelta(microseconds=1)


def format_time(time_us: int) -> str:
    """Return microseconds since 1970 as an ISO time with six decimals.

    Example:
        >>> format_time(1_500_000)
        '1970-01-01T00:00:01.500000'
    """
    return (EPOCH + timedelta(microseconds=int(time_us))).isoformat(timespec="microseconds")
