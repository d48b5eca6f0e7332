"""The text of a CSV cell, row and table, the same for the same values on every machine.

Rows end in a line feed; a cell is quoted only where it must be. Numbers are written so that they
read back as the very same number, booleans as ``True`` and ``False``, what is missing as nothing.
"""

from __future__ import annotations

import csv
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from fedloom.errors import OutputError

__all__ = ["decode_rows", "encode_cell", "encode_row", "encode_utf8"]

_LONGEST_CELL = 1 << 24
"""Characters of a cell, above which a quote must have been left open: 16 Mi."""

_MUST_QUOTE = re.compile(r'[",\r\n]')


def encode_row(cells: Iterable[str]) -> str:
    """Return one line of a CSV file, with its line feed.

    The `csv` module of Python 3.11 leaves a carriage return unquoted, hence this function.
    """
    line = ",".join([_quote(cell) if _MUST_QUOTE.search(cell) else cell for cell in cells])
    return (line or '""') + "\n"


def _quote(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'


def _encode_float(value: float) -> str:
    number = float(value)
    return "" if math.isnan(number) else repr(number)


_ENCODERS: dict[type, Callable[[object], str]] = {
    str: str,
    int: lambda value: str(operator.index(value)),  # type: ignore[arg-type]
    float: _encode_float,  # type: ignore[dict-item]
    bool: lambda value: "True" if value else "False",
}


def encode_cell(value: object, kind: type | None = None) -> str:
    """Return the text of a cell; None and NaN are empty.

    Args:
        value: a number (NumPy's too), a boolean or a text.
        kind: the column's kind (str, int, float, bool); the value's own type where not given.
    """
    if value is None:
        return ""
    return _ENCODERS.get(kind or type(value), str)(value)


def encode_utf8(rows: Sequence[str], where: object) -> bytes:
    """Return the bytes of some lines.

    Raises:
        OutputError: a text holds half a surrogate pair, which no file can hold.
    """
    text = "".join(rows)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        near = text[max(0, error.start - 20) : error.end + 20]
        raise OutputError(
            f"cannot write {where}: {near!r} is not valid text; rename the client or label"
        ) from error


def decode_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Return the rows of CSV text, strictly: wrong quoting raises `csv.Error`."""
    csv.field_size_limit(max(_LONGEST_CELL, csv.field_size_limit()))
    return csv.reader(lines, strict=True)
