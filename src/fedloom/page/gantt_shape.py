"""What a Gantt chart is made of: rows, fields of items, and charts of bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_BARS", "MOST_BARS_IN_ALL", "Chart", "Field", "Gantt", "Row"]

MOST_BARS = 200_000
"""A chart with more bars shows densities instead."""

MOST_BARS_IN_ALL = 1_000_000
"""So many bars of all charts together, so that a page stays light."""

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what it is called, and the group that it stands in; groups are consecutive."""

    name: str
    group: str


@dataclass(frozen=True, slots=True)
class Field:
    """What is known of the items.

    Attributes:
        label: for people, such as "Model".
        names: the values.
        codes: [items] positions in `names`.
    """

    label: str
    names: Sequence[str]
    codes: NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars on the rows; n of them, in any order. Times in µs, from 0.

    Attributes:
        name: for people.
        note: stands beside the name.
        item: [n] which item; items that take several rows have several bars.
        row: [n] where.
        ready_us: [n] since when it waited.
        start_us: [n] when it began; the first part of a bar is its switch.
        switch_us: [n] how long that part is.
        end_us: [n] when it ended.
    """

    name: str
    note: str
    item: Whole
    row: Whole
    ready_us: Whole
    start_us: Whole
    switch_us: Whole
    end_us: Whole


@dataclass(frozen=True, slots=True)
class Gantt:
    """A whole component.

    Attributes:
        title: of the card.
        rows: shared by the charts.
        fields: of the items, in the order in which a tooltip shows them.
        charts: at least one.
        color_by: labels of fields that may give the colour; the first does at the start.
        search: label of the field that is searched; "": none.
        charts_label: what a chart is called ("Policies").
        row_label: what a row is called ("GPU").
        note: one line under the title.
    """

    title: str
    rows: Sequence[Row]
    fields: Sequence[Field]
    charts: Sequence[Chart]
    color_by: Sequence[str] = ()
    search: str = ""
    charts_label: str = "Charts"
    row_label: str = "row"
    note: str = ""

    @property
    def limit(self) -> int:
        """Above so many bars a chart shows densities."""
        return min(MOST_BARS, MOST_BARS_IN_ALL // max(1, len(self.charts)))
