"""Who took part in the last round, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedloom.platform.ui.feed import TaskView
from fedloom.platform.ui.plots import format_value
from fedloom.platform.ui.tables import Cell, Field, make_table, show_rows

__all__ = ["ClientTable"]

_PAGE = 10
_FIELDS = (
    Field("client_id", "Client"),
    Field("state", "State", Cell.STATUS),
    Field("rows", "Rows", number=True),
    Field("loss", "Loss", number=True),
    Field("score", "Score", number=True),
    Field("seconds", "Seconds", wide=True, number=True),
)
_VALUES = {
    "rows": ("num_examples",),
    "loss": ("local_loss", "global_loss", "train_loss"),
    "score": ("local_score", "global_score"),
    "seconds": ("train_seconds",),
}


class ClientTable:
    """The clients of the last round, page by page."""

    def __init__(self) -> None:
        self._table = make_table(
            _FIELDS, [], key="client_id", page_size=_PAGE, nothing="No client has answered yet"
        )

    def show(self, view: TaskView) -> None:
        """Show the clients of a task as it was read."""
        if show_rows(self._table, [_row(row) for row in view.last_clients]):
            few = len(view.last_clients) <= _PAGE
            self._table.props(**{"add" if few else "remove": "hide-pagination"})


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: _first(row, columns) for name, columns in _VALUES.items()}
    failure = row.get("failure") or ""
    return {"client_id": str(row["client_id"]), "state": failure or "took part", **values}


def _first(row: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    """Return the first of some columns that holds a number."""
    for column in columns:
        value = row.get(column)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return format_value(float(value))
    return "–"
