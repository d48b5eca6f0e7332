"""Reading CSV and Parquet files of requests a row at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from fedloom.errors import InputError
from fedloom.records.csvtext import decode_rows
from fedloom.workload.formats.layout_table import IN_CELLS, JSON_COLUMNS
from fedloom.workload.formats.parse_request import FIELDS
from fedloom.workload.formats.read_json import decode_json
from fedloom.workload.formats.source import Found, Source

__all__ = ["csv_items", "parquet_items"]

_REQUIRED = ("request_id", "timestamp", "workflow_id", "node_execution_times")
_NUMBERS = {"priority": int, "total_estimated_time": float, "critical_path_time": float}


def csv_items(source: Source, found: Found) -> Iterator[tuple[int, Any]]:  # noqa: ARG001
    """Yield the line and the fields of each request of a CSV file.

    Raises:
        InputError: the file is cut, a column is missing, or a cell is not as it should be.
    """
    with source.open_text(newline="") as file:
        rows: Any = decode_rows(file)
        try:
            names: list[str] = next(rows, [])
            _check_names(source, names)
            for cells in rows:
                if not cells:
                    continue
                where = f"{source.path}: line {rows.line_num}"
                if len(cells) != len(names):
                    raise InputError(
                        f"{where}: {len(cells)} cells; {len(names)} as in the first line are right"
                    )
                yield rows.line_num, _fields(dict(zip(names, cells, strict=True)), where)
                if not cells[-1] and not source.ends_with_line_break():
                    raise InputError(f"{where}: the last line has no end; the file may be cut")
            if rows.line_num < 2 and not source.ends_with_line_break():
                raise InputError(f"{source.path}: the first line has no end; the file may be cut")
        except csv.Error as error:
            raise InputError(f"{source.path}: line {rows.line_num}: {error}") from None


def parquet_items(source: Source, found: Found) -> Iterator[tuple[int, Any]]:  # noqa: ARG001
    """Yield the number and the fields of each row of a Parquet file.

    Raises:
        InputError: the file is damaged, a column is missing, or a cell is not as it should be.
    """
    from fedloom.workload.formats.parquet import read_rows

    number = 0
    for names, rows in read_rows(source.path):
        _check_names(source, names)
        for cells in rows:
            number += 1
            where = f"{source.path}: row {number}"
            yield number, _fields(dict(zip(names, cells, strict=True)), where)


def _check_names(source: Source, names: list[str]) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        shown = ", ".join(names)[:200] or "nothing"
        raise InputError(
            f"{source.path}: the column {missing[0]} is missing; the first line has {shown}"
        )
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{source.path}: the column {twice} stands twice; keep one of them")


def _fields(row: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the fields of a request from the cells of its row."""
    fields = {name: _read_cell(name, row.pop(name, None), where) for name in FIELDS}
    prompt = _read_cell("user_prompt", row.pop("user_prompt", None), where)
    if prompt is not None and fields["input_data"] is None:
        fields["input_data"] = {"user_prompt": prompt}
    fields = {name: value for name, value in fields.items() if value is not None}
    metadata = fields.get("metadata", {})
    if not isinstance(metadata, dict):
        return fields
    cells = {name: _read_cell(name, text, where) for name, text in row.items()}
    known = {name: cells[name] for name in IN_CELLS if cells.get(name) is not None}
    others = {
        name: value
        for name, value in cells.items()
        if value is not None and name not in IN_CELLS and name not in metadata
    }
    first = {name: metadata[name] for name in ("base_models_used",) if name in metadata}
    return {**fields, "metadata": {**first, **known, **metadata, **others}}


def _read_cell(name: str, cell: Any, where: str) -> Any:
    """Return the value of a cell; None where it is empty."""
    if cell is None or cell == "":
        return None
    try:
        if name in JSON_COLUMNS:
            return decode_json(cell)
        if name in _NUMBERS and isinstance(cell, str):
            return _NUMBERS[name](cell)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{where}: {name} is {str(cell)[:60]!r}: {error}") from None
    return cell
