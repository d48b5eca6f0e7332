"""The two tables of a run, made whole: missing columns, older names, missing rounds, NaN."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from fedloom.errors import InputError
from fedloom.records.legacy import rename_old_columns
from fedloom.records.parquet import DTYPES
from fedloom.records.schema import ClientRecord, Column, RoundRecord, Table, describe_columns
from fedloom.records.typed import RawTable

__all__ = ["RunTables", "complete_tables", "name_apart", "split_runs"]

_TRUE = ["true", "1", "1.0", "yes"]


@dataclass(frozen=True)
class RunTables:
    """What a page shows of one run.

    Attributes:
        name: what the run is called on the page.
        clients: one row per client and round; columns as in `ClientRecord`, any may be missing.
        rounds: one row per round; columns as in `RoundRecord`, any may be missing. An empty frame
            stands for a run of which only the clients are known.
        metrics: one row per number that a package's client reported; columns as in `MetricRecord`,
            or an empty frame.
    """

    name: str
    clients: pl.DataFrame
    rounds: pl.DataFrame
    metrics: pl.DataFrame = field(default_factory=pl.DataFrame)


def complete_tables(run: RunTables) -> RunTables:
    """Return the run with every column of the schema, sorted by round.

    Older names (such as ``quality_Factor``) are read as the columns that replaced them, NaN and
    infinities become null, and what the rounds lack is derived from the clients where it can be.

    Raises:
        InputError: neither table holds a row with a round.
    """
    clients = _complete(run.clients, ClientRecord).drop_nulls("round")
    rounds = _complete(run.rounds, RoundRecord).drop_nulls("round")
    rounds = _fill(rounds, _derive_rounds(clients))
    if rounds.is_empty():
        raise InputError(f"run {run.name!r} holds no rows: a report needs at least one round")
    return replace(run, clients=clients.sort("round", maintain_order=True), rounds=rounds)


def split_runs(run: RunTables) -> list[RunTables]:
    """Return one `RunTables` per run_id, for a merged table that holds several runs."""
    ids = [i for i in _run_ids(run.clients) if i]
    if len(ids) < 2:
        return [run]
    return [
        RunTables(
            f"{run.name} {run_id[:8]}",
            _of(run.clients, run_id),
            _of(run.rounds, run_id),
            _of(run.metrics, run_id),
        )
        for run_id in ids
    ]


def name_apart(names: Iterable[str]) -> list[str]:
    """Return the names in their order, with a number added to those that were taken already.

    Example:
        >>> name_apart(["clients", "clients", "fedprox"])
        ['clients', 'clients (2)', 'fedprox']
    """
    taken: set[str] = set()
    apart = []
    for name in names:
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name} ({number})"
        taken.add(unique)
        apart.append(unique)
    return apart


def _run_ids(table: pl.DataFrame) -> Sequence[str | None]:
    if "run_id" not in table.columns:
        return []
    return table["run_id"].cast(pl.String).unique(maintain_order=True).to_list()


def _of(table: pl.DataFrame, run_id: str) -> pl.DataFrame:
    if "run_id" not in table.columns:
        return table.clear()
    return table.filter(pl.col("run_id").cast(pl.String) == run_id)


def _complete(table: pl.DataFrame, kind: Table) -> pl.DataFrame:
    """Give a table exactly the schema's columns and types; what it lacks is null."""
    table = rename_old_columns(RawTable("records", table), kind).frame
    columns = {column.name: _read_column(table, column) for column in describe_columns(kind)}
    # with_columns first: a select of literals alone would make a row of an empty table
    return table.with_columns(**columns).select(list(columns))


def _read_column(table: pl.DataFrame, column: Column) -> pl.Expr:
    """Return a column in its type; what does not fit, NaN, infinities and "" become null."""
    dtype = DTYPES[column.kind]
    if column.name not in table.columns:
        return pl.lit(None, dtype)
    given = pl.col(column.name)
    if column.kind is bool and table.schema[column.name] == pl.String():
        return given.str.to_lowercase().is_in(_TRUE)
    given = given.cast(dtype, strict=False)
    if column.kind is float:
        return pl.when(given.is_finite()).then(given)
    return pl.when(given != "").then(given) if column.kind is str else given


def _derive_rounds(clients: pl.DataFrame) -> pl.DataFrame:
    """Return what the clients' rows tell about each round, in the columns of `RoundRecord`."""
    took_part = pl.col("participated").fill_null(value=True)
    rows = pl.col("num_examples").filter(took_part)
    loss = pl.col("train_loss").filter(took_part)
    weight = rows.filter(loss.is_not_null())
    same = ("run_id", "dataset", "task", "model", "algorithm", "backend", "partition")
    return clients.group_by("round", maintain_order=True).agg(
        *(pl.col(name).drop_nulls().first() for name in (*same, "partition_param")),
        pl.len().cast(pl.Int64).alias("cohort_size"),
        took_part.sum().cast(pl.Int64).alias("participants"),
        rows.sum().alias("num_examples"),
        ((loss * rows).sum() / pl.when(weight.sum() > 0).then(weight.sum())).alias("train_loss"),
        pl.col("global_loss", "global_score").drop_nulls().first(),
        pl.col("simulated_seconds").filter(took_part).max(),
    )


def _fill(rounds: pl.DataFrame, derived: pl.DataFrame) -> pl.DataFrame:
    """Fill the nulls of `rounds` with what was derived, and add the rounds it lacks."""
    rounds = rounds.unique("round", keep="last", maintain_order=True)
    joined = rounds.join(derived, on="round", how="full", coalesce=True, suffix="_derived")
    filled = [
        pl.coalesce(name, f"{name}_derived").alias(name)
        for name in derived.columns
        if name != "round"
    ]
    return joined.with_columns(filled).select(rounds.columns).sort("round")
