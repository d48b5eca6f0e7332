"""Tables: rows of plain values, cells that link, say a status or show progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nicegui import ui

from fedloom.platform.ui.gate import BASE

__all__ = ["Cell", "Field", "make_table", "show_rows"]

Row = Mapping[str, Any]


class Cell(StrEnum):
    """How a cell shows its value."""

    TEXT = "text"
    LINK = "link"
    """The row's ``<name>_path`` is the address, inside of the page; text where it is missing."""
    STATUS = "status"
    PROGRESS = "progress"
    """A share from 0 to 1; the row's ``<name>_text`` stands beside it."""
    BUTTON = "button"
    """The value is what the button says; pressing it emits ``press`` with the row."""


@dataclass(frozen=True)
class Field:
    """A column.

    Attributes:
        name: the key in its rows.
        label: its heading.
        cell: how it shows a value.
        wide: whether it is left out on a narrow screen.
        number: whether it stands on the right.
    """

    name: str
    label: str
    cell: Cell = Cell.TEXT
    wide: bool = False
    number: bool = False


_LINK = (
    '<q-td :props="props"><a v-if="props.row[props.col.name + \'_path\']"'
    f" :href=\"'{BASE}' + props.row[props.col.name + '_path']\">{{{{ props.value }}}}</a>"
    "<template v-else>{{ props.value }}</template></q-td>"
)
_STATUS = (
    '<q-td :props="props"><span v-if="props.value" class="flm-badge"'
    " :class=\"'is-' + props.value\">"
    "{{ props.value }}</span></q-td>"
)
_PROGRESS = (
    '<q-td :props="props" style="min-width: 110px"><div class="flm-small">'
    "{{ props.row[props.col.name + '_text'] }}</div>"
    '<div class="flm-bar" :class="\'is-\' + props.row.status">'
    "<div :style=\"{ width: (100 * props.value) + '%' }\"></div></div></q-td>"
)
_BUTTON = (
    '<q-td :props="props"><q-btn v-if="props.value" flat dense size="sm" color="negative"'
    ' :label="props.value" :aria-label="props.value + \' \' + props.key"'
    " @click=\"$parent.$emit('press', props.row)\" /></q-td>"
)
_SLOTS = {
    Cell.LINK: _LINK,
    Cell.STATUS: _STATUS,
    Cell.PROGRESS: _PROGRESS,
    Cell.BUTTON: _BUTTON,
}


def make_table(
    fields: Sequence[Field],
    rows: Sequence[Row],
    *,
    key: str,
    page_size: int = 0,
    nothing: str = "Nothing yet",
) -> ui.table:
    """Make a table.

    Args:
        fields: its columns.
        rows: its rows; keys that are no columns may help cells.
        key: the column that tells rows apart.
        page_size: rows of a page that the browser turns by itself; 0 shows all.
        nothing: what it says without rows.
    """
    table = ui.table(
        columns=[_column(field) for field in fields],
        rows=[dict(row) for row in rows],
        row_key=key,
        pagination=page_size,
    )
    table.classes("flm-table").props(f'flat no-data-label="{nothing}"')
    if not page_size or len(rows) <= page_size:
        table.props("hide-pagination")
    for field in fields:
        if field.cell in _SLOTS:
            table.add_slot(f"body-cell-{field.name}", _SLOTS[field.cell])
    # Nothing yet is nothing to be warned of: Quasar would put a triangle before it.
    table.add_slot("no-data", '<span class="flm-empty">{{ props.message }}</span>')
    return table


def show_rows(table: ui.table, rows: Sequence[Row]) -> bool:
    """Show other rows, if they are others; say whether they were."""
    new = [dict(row) for row in rows]
    if new == table.rows:
        return False
    table.rows = new
    return True


def _column(field: Field) -> dict[str, Any]:
    hidden = "flm-hide" if field.wide else ""
    return {
        "name": field.name,
        "label": field.label,
        "field": field.name,
        "align": "right" if field.number else "left",
        "classes": hidden,
        "headerClasses": hidden,
    }
