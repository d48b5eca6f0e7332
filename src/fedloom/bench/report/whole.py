"""A study's tables made whole: every column is there, in its type, and every cell has a row."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from fedloom.bench.results.frames import CELLS, CLIENTS, KEY, ROUNDS, StudyResults

__all__ = ["CELL", "NAMES", "UNFINISHED", "complete_results"]

CELL = ["backend", "strategy", "clients"]
"""What names a cell when its repeats are taken together."""

NAMES = list(KEY)
"""What names one repeat of a cell."""

UNFINISHED = "unfinished"
"""Status of a cell that has rounds, and has not said yet how it ended."""


def complete_results(results: StudyResults) -> StudyResults:
    """Return results with all columns; what is missing or not finite is null.

    A loss that is not finite is what divergence looks like; `fedloom.bench.report.troubles` looks
    at the tables as they were given.
    """
    rounds = _complete(results.rounds, ROUNDS)
    clients = _complete(results.clients, CLIENTS)
    cells = _complete(results.cells, CELLS).unique(NAMES, keep="last", maintain_order=True)
    return replace(
        results,
        cells=_add_unfinished(cells, rounds, clients),
        rounds=rounds.sort([*NAMES, "round"]),
        clients=clients.sort([*NAMES, "round", "client"]),
    )


def _complete(table: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    columns = [_column(table, name, dtype) for name, dtype in schema.items()]
    # with_columns first: a select of literals alone would make a row of an empty table
    return table.with_columns(columns).select(list(schema)).drop_nulls(NAMES)


def _column(table: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    if name not in table.columns:
        return pl.lit(None, dtype).alias(name)
    given = pl.col(name).cast(dtype, strict=False)
    if dtype == pl.Float64():
        return pl.when(given.is_finite()).then(given).alias(name)
    return given


def _add_unfinished(
    cells: pl.DataFrame, rounds: pl.DataFrame, clients: pl.DataFrame
) -> pl.DataFrame:
    """Add a row for each cell that only has rounds so far, and sort."""
    seen = pl.concat([rounds.select(*NAMES, "round"), clients.select(*NAMES, "round")])
    lacking = seen.join(cells, on=NAMES, how="anti").group_by(NAMES).agg(rounds=pl.max("round"))
    added = _complete(lacking.with_columns(status=pl.lit(UNFINISHED)), CELLS)
    return pl.concat([cells, added]).sort(NAMES)
