"""Columns of values, standing in a structure where a single request has one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np

from fedloom.workload.formats.matrix import LongTexts, RowPart, values_part
from fedloom.workload.formats.numbers import (
    Part,
    Whole,
    padded_digits,
    plain_digits,
    print_id,
    seconds_columns,
    time_columns,
)
from fedloom.workload.formats.skeleton import Layout, Path
from fedloom.workload.units import format_time

__all__ = ["Choices", "Column", "Counts", "Ids", "Lines", "Seconds", "Times"]


class Column(Protocol):
    """The values of one field for each row."""

    is_column: ClassVar[bool]

    def parts(self, layout: Layout, path: Path) -> Sequence[RowPart]:
        """Return the texts of the values at a place in a layout."""


def _in_frame(layout: Layout, path: Path, sample: str, parts: Sequence[Part]) -> list[RowPart]:
    """Put around the parts what a layout prints around a text of the same kind: quotes."""
    before, after = layout.print_value(sample, path).split(sample)
    return [before.encode(), *parts, after.encode()]


@dataclass(frozen=True, slots=True)
class Seconds:
    """Times of work, in microseconds; printed in seconds."""

    is_column: ClassVar[bool] = True
    times_us: Whole

    def parts(self, layout: Layout, path: Path) -> Sequence[RowPart]:  # noqa: ARG002
        """Return the texts, with six decimals."""
        return seconds_columns(self.times_us)


@dataclass(frozen=True, slots=True)
class Times:
    """Moments, in microseconds since 1970; printed as ISO times."""

    is_column: ClassVar[bool] = True
    times_us: Whole

    def parts(self, layout: Layout, path: Path) -> Sequence[RowPart]:
        """Return the texts, in the layout's quotes."""
        return _in_frame(layout, path, format_time(0), time_columns(self.times_us))


@dataclass(frozen=True, slots=True)
class Ids:
    """Numbers of requests; printed as ids of `width` digits."""

    is_column: ClassVar[bool] = True
    numbers: Whole
    width: int

    def parts(self, layout: Layout, path: Path) -> Sequence[RowPart]:
        """Return the texts, in the layout's quotes."""
        begin = print_id(0, 1).removesuffix("0").encode()
        parts: list[Part] = [begin, *padded_digits(self.numbers, self.width)]
        return _in_frame(layout, path, print_id(0, self.width), parts)


@dataclass(frozen=True, slots=True)
class Counts:
    """Whole numbers, 0 or more."""

    is_column: ClassVar[bool] = True
    values: Whole

    def parts(self, layout: Layout, path: Path) -> Sequence[RowPart]:  # noqa: ARG002
        """Return the numbers without leading zeros."""
        return plain_digits(self.values)


@dataclass(frozen=True, slots=True)
class Choices:
    """One of a few values for each row."""

    is_column: ClassVar[bool] = True
    values: Sequence[Any]
    index: Whole

    def parts(self, layout: Layout, path: Path) -> Sequence[RowPart]:
        """Return the texts of the values."""
        texts = [layout.print_value(value, path).encode() for value in self.values]
        return [values_part(texts, self.index)]


@dataclass(frozen=True, slots=True)
class Lines:
    """One of many long texts for each row; those that occur are printed once per process."""

    is_column: ClassVar[bool] = True
    lines: tuple[str, ...]
    index: Whole

    def parts(self, layout: Layout, path: Path) -> Sequence[RowPart]:
        """Return the texts of the lines."""
        texts = _printed_lines(layout, path, self.lines)
        for number in np.unique(self.index).tolist():
            texts[number] = texts[number] or layout.print_value(self.lines[number], path).encode()
        return [LongTexts(texts, self.index)]


@lru_cache(maxsize=4)
def _printed_lines(
    layout: Layout,  # noqa: ARG001
    path: Path,  # noqa: ARG001
    lines: tuple[str, ...],
) -> list[bytes]:
    """Return the place where the printed lines are kept; empty until they are first wanted."""
    return [b""] * len(lines)
