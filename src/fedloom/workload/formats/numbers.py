"""Numbers and times as text: for one value, and for a column of them.

A column of texts is a row of *lookups*: a table of short byte strings and an index into it. Texts
shorter than their table's width end in zero bytes, which are taken out when rows are put together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.units import MICROSECONDS, to_microseconds

__all__ = [
    "Lookup",
    "Part",
    "Whole",
    "id_width",
    "padded_digits",
    "plain_digits",
    "print_id",
    "print_seconds",
    "seconds_columns",
    "single_digits",
    "time_columns",
]

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lookup:
    """A column of texts.

    Attributes:
        table: byte strings; none holds a byte below 3.
        index: for each row, its text's position in the table.
    """

    table: NDArray[np.bytes_]
    index: Whole


Part: TypeAlias = bytes | Lookup
"""A piece of each row's text: the same for all of them, or a column."""

_SHORTEST_NUMBER = 4


def id_width(requests: int) -> int:
    """Return how many digits the ids of a file of so many requests have; at least four."""
    return max(_SHORTEST_NUMBER, len(str(max(requests - 1, 0))))


def print_id(number: int, width: int) -> str:
    """Return the id of a request by its number.

    Example:
        >>> print_id(7, id_width(500))
        'req_0007'
    """
    return f"req_{number:0{width}d}"


def print_seconds(seconds: float) -> str:
    """Return a time with six decimals.

    Raises:
        ValueError: it is negative, infinite or NaN.

    Example:
        >>> print_seconds(10.24)
        '10.240000'
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{seconds} is no time")
    whole, rest = divmod(to_microseconds(seconds), MICROSECONDS)
    return f"{whole}.{rest:06d}"


@cache
def _padded(digits: int) -> NDArray[np.bytes_]:
    return np.array([b"%0*d" % (digits, number) for number in range(10**digits)])


@cache
def _leading(*, empty_zero: bool) -> NDArray[np.bytes_]:
    """Return 0…999 as they begin a number, then 000…999 as they go on."""
    first = b"" if empty_zero else b"0"
    return np.concatenate([[first], [b"%d" % number for number in range(1, 1000)], _padded(3)])


@cache
def _clock() -> NDArray[np.bytes_]:
    return np.array([b"T%02d:%02d:" % divmod(minute, 60) for minute in range(24 * 60)])


def padded_digits(values: Whole, width: int) -> list[Lookup]:
    """Return numbers with exactly `width` digits, leading zeros included."""
    parts = [Lookup(_padded(3), values // 1000**group % 1000) for group in range(width // 3)]
    if width % 3:
        parts.append(Lookup(_padded(width % 3), values // 1000 ** (width // 3)))
    return parts[::-1]


def single_digits(values: Whole, width: int) -> list[Lookup]:
    """Return numbers of exactly `width` digits, digit by digit."""
    return [Lookup(_padded(1), values // 10**place % 10) for place in range(width)][::-1]


def plain_digits(values: Whole) -> list[Lookup]:
    """Return numbers, 0 or more, without leading zeros."""
    parts = [Lookup(_leading(empty_zero=False), values)]
    rest = values
    while len(rest) and rest.max() > 999:
        above = rest // 1000
        index = rest - above * 1000 + np.where(above > 0, 1000, 0)
        parts[-1] = Lookup(_leading(empty_zero=len(parts) > 1), index)
        parts.append(Lookup(_leading(empty_zero=True), above))
        rest = above
    return parts[::-1]


def seconds_columns(times_us: Whole) -> list[Part]:
    """Return times as seconds with six decimals."""
    whole = times_us // MICROSECONDS
    return [*plain_digits(whole), b".", *padded_digits(times_us - whole * MICROSECONDS, 6)]


def time_columns(times_us: Whole) -> list[Part]:
    """Return times since 1970 as ISO times with six decimals."""
    seconds = times_us // MICROSECONDS
    minutes = seconds // 60
    days = minutes // (24 * 60)
    first, last = (int(days.min()), int(days.max())) if len(days) else (0, 0)
    if last - first > len(days):
        distinct, index = np.unique(days, return_inverse=True)
    else:
        distinct, index = np.arange(first, last + 1), days - first
    return [
        Lookup(distinct.astype("datetime64[D]").astype("S10"), index),
        Lookup(_clock(), minutes - days * (24 * 60)),
        *padded_digits(seconds - minutes * 60, 2),
        b".",
        *padded_digits(times_us - seconds * MICROSECONDS, 6),
    ]
