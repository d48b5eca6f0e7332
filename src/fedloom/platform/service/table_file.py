"""Records as files: the store's rows and documents in the columns of `fedloom.records`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from io import BytesIO
from typing import Any

from fedloom.package.contract import list_scalars
from fedloom.platform.store import DocumentKind, StoredDocument
from fedloom.records.csvtext import encode_cell, encode_row, encode_utf8
from fedloom.records.schema import (
    ClientRecord,
    Column,
    MetricRecord,
    RoundRecord,
    Table,
    describe_columns,
)

__all__ = ["RecordTable", "TableForm", "list_metrics", "write_table_file"]


class RecordTable(StrEnum):
    """Which records."""

    CLIENTS = "clients"
    """A row for each client and round."""
    ROUNDS = "rounds"
    """A row for each round."""
    METRICS = "metrics"
    """A row for each number in what clients said beside their weights."""


class TableForm(StrEnum):
    """How a table is written."""

    CSV = "csv"
    PARQUET = "parquet"


_TABLES: Mapping[RecordTable, Table] = {
    RecordTable.CLIENTS: ClientRecord,
    RecordTable.ROUNDS: RoundRecord,
    RecordTable.METRICS: MetricRecord,
}


_PHASES = {DocumentKind.METADATA: "train", DocumentKind.VALIDATION: "validate"}


def list_metrics(run_id: str, documents: Iterable[StoredDocument]) -> Iterator[dict[str, Any]]:
    """Yield a row of the metrics table for each finite number in clients' documents."""
    for one in documents:
        for name, value in list_scalars(one.document):
            yield {
                "run_id": run_id,
                "round": one.round,
                "client_id": one.client_id,
                "phase": _PHASES[one.kind],
                "name": name,
                "value": value,
            }


def write_table_file(
    rows: Iterable[Mapping[str, Any]], table: RecordTable, form: TableForm
) -> bytes:
    """Return the bytes of a table; columns that the schema does not know are left out."""
    columns = describe_columns(_TABLES[table])
    if form is TableForm.CSV:
        return _write_csv(rows, columns)
    return _write_parquet(rows, columns)


def _write_csv(rows: Iterable[Mapping[str, Any]], columns: list[Column]) -> bytes:
    lines = [encode_row(column.name for column in columns)]
    for row in rows:
        cells = [encode_cell(_fit(row.get(column.name), column), column.kind) for column in columns]
        lines.append(encode_row(cells))
    return encode_utf8(lines, "the table")


def _write_parquet(rows: Iterable[Mapping[str, Any]], columns: list[Column]) -> bytes:
    import polars as pl

    from fedloom.records.parquet import DTYPES

    held = list(rows)
    series = [
        pl.Series(c.name, [_fit(row.get(c.name), c) for row in held], dtype=DTYPES[c.kind])
        for c in columns
    ]
    buffer = BytesIO()
    pl.DataFrame(series).write_parquet(buffer)
    return buffer.getvalue()


def _fit(value: Any, column: Column) -> Any:
    """Return a value of the column's kind; JSON has no text for what is missing."""
    if value is None:
        return "" if column.kind is str else None
    return column.kind(value) if column.kind in (float, str) else value
