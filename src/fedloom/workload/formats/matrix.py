"""Putting columns of texts together to rows, thousands at once.

Rows are laid out in a matrix in which each part has a fixed place, as wide as its longest text; the
zero bytes that fill shorter ones are then deleted in one pass over the whole. Measured on one core
with rows of 427 bytes: 2.3 million rows/s, against 1.0 million with expressions of Polars and 0.24
million with f-strings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.formats.numbers import Lookup, Part, Whole

__all__ = ["AlikeRows", "LongTexts", "RowPart", "values_part", "weave"]

_WIDEST_TABLE = 128
_MATRIX_BYTES = 1 << 18
_LARGEST_MATRIX_BYTES = 1 << 24
_ROWS_PER_GROUP = 128
_LONG_TEXT = b"\x02"


@dataclass(frozen=True, slots=True)
class LongTexts:
    """A column of texts too long, or too unequal in length, for a place of fixed width.

    Attributes:
        texts: the distinct ones.
        index: for each row, its text's position.
    """

    texts: Sequence[bytes]
    index: Whole


RowPart = Part | LongTexts


@dataclass(frozen=True, slots=True)
class AlikeRows:
    """Rows that are made of the same parts.

    Attributes:
        rows: their positions, ascending.
        parts: what each row's text consists of, in order.
    """

    rows: Whole
    parts: Sequence[RowPart]


def values_part(texts: Sequence[bytes], index: Whole) -> RowPart:
    """Return the column that takes its texts from `texts`."""
    if len(set(texts)) == 1:
        return texts[0]
    if max(len(text) for text in texts) > _WIDEST_TABLE:
        return LongTexts(texts, index)
    return Lookup(np.array(texts, dtype=np.bytes_), index)


def weave(groups: Sequence[AlikeRows], joiner: bytes) -> Iterator[bytes | bytearray]:
    """Yield the text of all rows in order, joined, some hundred kilobytes at a time.

    Args:
        groups: together they hold each row, from 0 on, once.
        joiner: what stands between two rows.
    """
    parts = [[*group.parts, joiner] for group in groups]
    width = max(sum(len(_room_of(part)) for part in some) for some in parts)
    laid = [_Laid.of(group, some, width) for group, some in zip(groups, parts, strict=True)]
    rows = sum(len(group.rows) for group in groups)
    # Small matrices stay in the cache; but each group costs a little in every one of them.
    best = max(_MATRIX_BYTES // width, _ROWS_PER_GROUP * len(groups))
    step = max(1, min(rows, best, _LARGEST_MATRIX_BYTES // width))
    buffer = bytearray(step * width)
    for begin in range(0, rows, step):
        end = min(begin + step, rows)
        _lay_out(laid, begin, end, buffer)
        used = buffer if end - begin == step else buffer[: (end - begin) * width]
        text = _insert(used.translate(None, b"\0"), _long_texts(laid, begin, end))
        yield text.removesuffix(joiner) if end == rows else text


def _insert(text: bytearray, long: Sequence[bytes]) -> bytes | bytearray:
    """Return a text with long ones in the places that are kept for them."""
    if not long:
        return text
    pieces = text.split(_LONG_TEXT)
    return b"".join([piece for pair in zip(pieces, [*long, b""], strict=True) for piece in pair])


def _long_texts(groups: Sequence[_Laid], begin: int, end: int) -> list[bytes]:
    """Return the long texts of some rows in the order in which they stand in the text."""
    texts = np.full((end - begin, max(len(group.long) for group in groups)), None, object)
    for group in groups:
        first, last = np.searchsorted(group.rows, (begin, end))
        for place, part in enumerate(group.long):
            chosen = [part.texts[i] for i in part.index[first:last].tolist()]
            texts[group.rows[first:last] - begin, place] = chosen
    return [text for text in texts.ravel().tolist() if text is not None]


@dataclass(frozen=True, slots=True)
class _Laid:
    """A group whose parts have their places in a matrix.

    Attributes:
        rows: their positions.
        row: [width] what is equal in all of them; zero where columns stand and at the end.
        record: the columns' places, named by where they start.
        columns: start and texts.
        long: texts that are put in afterwards.
    """

    rows: Whole
    row: NDArray[np.uint8]
    record: np.dtype[np.void]
    columns: tuple[tuple[int, Lookup], ...]
    long: tuple[LongTexts, ...]

    @classmethod
    def of(cls, group: AlikeRows, parts: Sequence[RowPart], width: int) -> _Laid:
        row, columns = bytearray(), []
        for part in parts:
            if isinstance(part, Lookup):
                columns.append((len(row), part))
            row += _room_of(part)
        record = np.dtype(
            {
                "names": [str(start) for start, _ in columns],
                "formats": [part.table.dtype for _, part in columns],
                "offsets": [start for start, _ in columns],
                "itemsize": width,
            }
        )
        padded = np.frombuffer(row.ljust(width, b"\0"), np.uint8)
        long = tuple(part for part in parts if isinstance(part, LongTexts))
        return cls(group.rows, padded, record, tuple(columns), long)


def _room_of(part: RowPart) -> bytes:
    """Return what stands in each row of the matrix where a part goes."""
    if isinstance(part, Lookup):
        return bytes(part.table.itemsize)
    return _LONG_TEXT if isinstance(part, LongTexts) else part


def _lay_out(groups: Sequence[_Laid], begin: int, end: int, buffer: bytearray) -> None:
    """Write the rows from `begin` to `end` into the buffer, each with zero bytes between parts."""
    for group in groups:
        first, last = np.searchsorted(group.rows, (begin, end))
        rows: Whole | slice = group.rows[first:last] - begin
        if last - first == end - begin:
            rows = slice(0, end - begin)
        records = np.frombuffer(buffer, group.record)
        records.view(np.uint8).reshape(len(records), -1)[rows] = group.row
        for start, part in group.columns:
            records[str(start)][rows] = part.table.take(part.index[first:last])
