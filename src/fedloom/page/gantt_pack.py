"""A Gantt chart as bytes: JSON that says what is where, then columns of little-endian numbers.

The columns are as narrow as their largest value allows. A row's bars follow one another, so a start
is kept as its distance from the one before. All is compressed together, as base64.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.page.gantt_density import density
from fedloom.page.gantt_shape import Chart, Field, Gantt, Row

__all__ = ["Columns", "pack"]

COLORED = 8
"""So many values of a field have a colour each; of more, the last stands for all others."""

_KINDS = (("u1", 2**8), ("u2", 2**16), ("u4", 2**32))


class Columns:
    """Columns one after another, each beginning at a multiple of 8 bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, values: NDArray[Any]) -> list[int | str]:
        """Append a column of numbers that are not negative.

        Returns:
            Its kind (``u1``, ``u2``, ``u4``, ``f8``), where it begins, and its length.
        """
        most = int(values.max(initial=0))
        kind = next((name for name, limit in _KINDS if most < limit), "f8")
        data = values.astype(f"<{kind}").tobytes()
        place: list[int | str] = [kind, self._size, len(values)]
        data += bytes(-len(data) % 8)
        self._parts.append(data)
        self._size += len(data)
        return place

    def to_bytes(self) -> bytes:
        """Return all columns."""
        return b"".join(self._parts)


def pack(gantt: Gantt) -> str:
    """Return the chart as the component reads it: base64 of gzip.

    Raises:
        ValueError: columns differ in length, or a bar names a row or an item that is not there.
    """
    _check(gantt)
    columns = Columns()
    whole = [chart for chart in gantt.charts if len(chart.item) <= gantt.limit]
    head = {
        "rowLabel": gantt.row_label,
        "search": gantt.search,
        "end": max((int(c.end_us.max(initial=0)) for c in gantt.charts), default=0),
        "rows": [row.name for row in gantt.rows],
        "groups": _groups(gantt.rows),
        "fields": [_field(f, whole, columns, f.label in gantt.color_by) for f in gantt.fields],
        "charts": [_chart(chart, gantt, columns) for chart in gantt.charts],
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    content = len(text).to_bytes(4, "little") + text + columns.to_bytes()
    return b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode()


def _check(gantt: Gantt) -> None:
    items = min((len(field.codes) for field in gantt.fields), default=None)
    for chart in gantt.charts:
        columns = (chart.row, chart.ready_us, chart.start_us, chart.switch_us, chart.end_us)
        if any(len(column) != len(chart.item) for column in columns):
            raise ValueError(f"the columns of chart {chart.name!r} differ in length")
        if not _within(chart.row, len(gantt.rows)):
            raise ValueError(f"chart {chart.name!r} has a bar on a row that is not there")
        if items is not None and not _within(chart.item, items):
            raise ValueError(f"chart {chart.name!r} has a bar of an item that is not there")


def _within(values: NDArray[np.int64], limit: int) -> bool:
    return not len(values) or bool(values.min() >= 0 and values.max() < limit)


def _groups(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """Return the name of each group and how many rows it has."""
    return [(name, len(list(group))) for name, group in groupby(rows, lambda row: row.group)]


def _field(
    field: Field, charts: Sequence[Chart], columns: Columns, colored: bool
) -> dict[str, Any]:
    """Describe a field; without single bars nobody asks for its codes."""
    codes = np.asarray(field.codes, dtype=np.int64)
    names = list(field.names) if charts else []
    known: dict[str, Any] = {"label": field.label, "names": names}
    known["codes"] = columns.add(codes if charts else codes[:0])
    if colored:
        known["slots"], known["legend"] = _slots(field, codes, charts)
    return known


def _slots(
    field: Field, codes: NDArray[np.int64], charts: Sequence[Chart]
) -> tuple[list[int], list[str]]:
    """Return the colour of each value, from 0, and what each colour means: most time first."""
    busy = np.zeros(len(field.names), dtype=np.int64)
    for chart in charts:
        np.add.at(busy, codes[chart.item], chart.end_us - chart.start_us)
    order = [int(code) for code in np.argsort(-busy, kind="stable") if busy[code]]
    own = order if len(order) <= COLORED else order[: COLORED - 1]
    slots = np.full(len(field.names), COLORED - 1)
    slots[own] = np.arange(len(own))
    legend = [field.names[code] for code in own]
    return slots.tolist(), [*legend, f"{len(order) - len(own)} others"][: len(order)]


def _chart(chart: Chart, gantt: Gantt, columns: Columns) -> dict[str, Any]:
    known: dict[str, Any] = {"name": chart.name, "note": chart.note, "bars": len(chart.item)}
    if len(chart.item) > gantt.limit:
        bins, run, switch = density(chart, len(gantt.rows))
        known |= {"bins": bins, "end": max(1, int(chart.end_us.max()))}
        return known | {"run": columns.add(run), "switch": columns.add(switch)}
    order = np.lexsort((chart.start_us, chart.row))
    row, start = chart.row[order], chart.start_us[order]
    first = np.searchsorted(row, np.arange(len(gantt.rows) + 1))
    step = np.diff(start, prepend=0)
    begins = first[:-1][np.diff(first) > 0]
    step[begins] = start[begins]
    return known | {
        "first": columns.add(first),
        "step": columns.add(step),
        "wait": columns.add(np.maximum(0, start - chart.ready_us[order])),
        "switch": columns.add(chart.switch_us[order]),
        "run": columns.add(chart.end_us[order] - start - chart.switch_us[order]),
        "item": columns.add(chart.item[order]),
    }
