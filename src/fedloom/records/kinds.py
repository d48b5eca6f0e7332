"""Finding out what a column of text holds: whole numbers, numbers, booleans or text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fedloom.records.schema import ClientRecord, RoundRecord, describe_columns

__all__ = ["ColumnKinds", "find_kind"]

# Numbers that text can hold without loss: no leading zeros, and no more digits than 64 bits hold.
_PATTERNS: dict[type, re.Pattern[str]] = {
    int: re.compile(r"0|-?[1-9][0-9]{0,17}"),
    float: re.compile(
        r"[+-]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|0|[1-9][0-9]{0,17})(?:e[+-]?[0-9]+)?"
        r"|[+-]?inf|nan",
        re.IGNORECASE,
    ),
    bool: re.compile(r"true|false", re.IGNORECASE),
}

_LEFT_BY_KIND: dict[type, tuple[type, ...]] = {
    int: (int, float),
    float: (float,),
    bool: (bool, int, float),
    str: (),
}
"""What a column may still turn out to be that the schema declares as this kind."""

_DECLARED = {
    c.name: c.kind for table in (ClientRecord, RoundRecord) for c in describe_columns(table)
}


def find_kind(cells: Iterable[str]) -> type:
    """Return the narrowest kind that holds every cell; empty cells fit any."""
    kinds = ColumnKinds([""])
    for cell in cells:
        kinds.see([cell])
    return kinds.kinds[0]


class ColumnKinds:
    """Narrows down the kind of every column of a table, row by row.

    A column of Fedloom's schema is of its declared kind if its cells allow it: a run's digest
    stays text even where it consists of digits.

    Args:
        columns: the names of the columns.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._fallback = [_DECLARED.get(column, str) for column in columns]
        self._left = [
            _LEFT_BY_KIND[_DECLARED[column]] if column in _DECLARED else (int, float, bool)
            for column in columns
        ]
        self._seen = [False] * len(self._left)

    def see(self, row: Sequence[str]) -> None:
        """Take one row of the table into account."""
        for index, cell in enumerate(row):
            if cell and self._left[index]:
                self._seen[index] = True
                self._left[index] = tuple(
                    kind for kind in self._left[index] if _PATTERNS[kind].fullmatch(cell)
                )

    @property
    def kinds(self) -> list[type]:
        """What the columns hold by all that was seen: str, int, float or bool."""
        return [
            (left[0] if left else str) if seen else fallback
            for left, seen, fallback in zip(self._left, self._seen, self._fallback, strict=True)
        ]
