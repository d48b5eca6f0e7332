"""Requests as rows of a table: CSV, and Parquet, whose columns are the same."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from fedloom.errors import InputError
from fedloom.workload.formats.skeleton import Path
from fedloom.workload.units import format_time, parse_time

__all__ = ["COLUMNS", "IN_CELLS", "JSON_COLUMNS", "ROWS", "TableLayout", "is_cell_text"]

COLUMNS = (
    "request_id",
    "timestamp",
    "workflow_id",
    "user_prompt",
    "tenant",
    "priority",
    "deadline",
    "total_estimated_time",
    "critical_path_time",
    "node_execution_times",
    "node_configs",
    "input_data",
    "metadata",
)
"""The columns, in order."""

JSON_COLUMNS = frozenset(("node_execution_times", "node_configs", "input_data", "metadata"))
"""The columns that hold JSON."""

_CELL_TEXT = re.compile("[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]+")
_MUST_QUOTE = re.compile(r'[",\r\n]')
_INT64 = range(-(1 << 63), 1 << 63)


def is_cell_text(value: Any) -> bool:
    """Return whether a value is a text that a cell can hold as it is: not empty, no controls."""
    return isinstance(value, str) and _CELL_TEXT.fullmatch(value) is not None


def _is_priority(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in _INT64


def _is_deadline(value: Any) -> bool:
    try:
        return isinstance(value, str) and format_time(parse_time(value)) == value
    except (ValueError, OverflowError):
        return False


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


IN_CELLS = {
    "tenant": is_cell_text,
    "priority": _is_priority,
    "deadline": _is_deadline,
    "total_estimated_time": _is_time,
    "critical_path_time": _is_time,
}
"""What of a request's metadata has a column, and which values fit there; others stay in JSON."""


@dataclass(frozen=True)
class TableLayout:
    """The layout of CSV rows; what is missing is an empty cell.

    Attributes:
        joiner: what stands between two rows.
    """

    joiner: bytes = b"\n"

    def arrange(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the row of a request: a value, a map (of JSON columns) or None in each column.

        Raises:
            InputError: an id holds control characters.
        """
        for field in ("request_id", "workflow_id"):
            if not _fits(fields[field], is_cell_text):
                raise InputError(
                    f"{field} {fields[field]!r} cannot stand in a table; "
                    "name it in visible characters, or write JSON"
                )
        inputs, metadata = fields["input_data"], dict(fields["metadata"])
        prompt = inputs.get("user_prompt") if len(inputs) == 1 else None
        if not _fits(prompt, is_cell_text):
            prompt = None
        cells = {
            name: metadata.pop(name)
            for name, fits in IN_CELLS.items()
            if name in metadata and _fits(metadata[name], fits)
        }
        row = {
            **fields,
            **cells,
            "user_prompt": prompt,
            "input_data": None if prompt is not None or not inputs else inputs,
            "metadata": metadata,
        }
        return {column: row.get(column) for column in COLUMNS}

    def print_structure(self, structure: dict[str, Any]) -> str:
        """Return the text of a row."""
        return ",".join(
            _quote(json.dumps(cell, separators=(",", ":"))) if isinstance(cell, dict) else cell
            for cell in structure.values()
        )

    def print_value(self, value: Any, path: Path) -> str:
        """Return the text of a cell, or of a value inside a JSON cell."""
        if len(path) > 1:
            return json.dumps(value).replace('"', '""')
        return "" if value is None else _quote(str(value))

    def holds(self, text: str) -> bool:
        """Return whether a text can stand in its cell; otherwise it stays in a JSON column."""
        return is_cell_text(text)

    def is_steady(self, text: str) -> bool:  # noqa: ARG002
        """Return True: digits have no part in quoting."""
        return True

    def gap_pattern(self, word: str) -> str:
        """Return how a word was printed: as it is, or in doubled quotes inside JSON."""
        return rf'(?:"")?{word}(\d+)(?:"")?'


ROWS = TableLayout()
"""The one layout of rows."""


def _fits(value: Any, fits: Any) -> bool:
    """Return whether a value fits; columns of values have been looked through beforehand."""
    return bool(getattr(value, "is_column", False) or fits(value))


def _quote(text: str) -> str:
    if not _MUST_QUOTE.search(text):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
