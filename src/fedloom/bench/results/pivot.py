"""From a cell's metrics, a number a row, to a row per round and a row per round and client."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import polars as pl

from fedloom.bench.cell_id import Cell
from fedloom.bench.results.frames import CLIENTS, ROUNDS

__all__ = ["SERVER", "pivot_clients", "pivot_rounds"]

SERVER = "server"
"""The client id of what the server itself measures."""

_ROUND_COLUMNS = {
    ("evaluate", "loss"): "loss",
    ("evaluate", "score"): "score",
    ("evaluate", "evaluate_seconds"): "evaluate_seconds",
    ("evaluate", "elapsed_seconds"): "elapsed_seconds",
    ("validate", "loss"): "distributed_loss",
    ("validate", "score"): "distributed_score",
    ("validate", "validate_seconds"): "validate_seconds",
    ("train", "fit_seconds"): "fit_seconds",
    ("round", "round_seconds"): "round_seconds",
}

_CLIENT_COLUMNS = {
    ("train", "fit_seconds"): "fit_seconds",
    ("validate", "evaluate_seconds"): "evaluate_seconds",
    ("validate", "loss"): "loss",
    ("validate", "score"): "score",
    **{
        (phase, name): f"{work}_{name}"
        for phase, work in (("train", "fit"), ("validate", "evaluate"))
        for name in ("cpu_percent", "machine_cpu_percent", "memory_bytes", "waiting_seconds")
    },
}

_FROM_RECORDS = ("num_examples", "download_bytes", "upload_bytes", "failure")


def pivot_rounds(cell: Cell, metrics: pl.DataFrame) -> pl.DataFrame:
    """Return a row per round of a cell, the initial weights' as round 0.

    Args:
        cell: which.
        metrics: its rows of `fedloom.records.MetricRecord`; the last of equal ones counts.
    """
    rows: dict[int, dict[str, Any]] = defaultdict(dict)
    for row in metrics.iter_rows(named=True):
        column = _ROUND_COLUMNS.get((row["phase"], row["name"]))
        if row["client_id"] == SERVER and column is not None:
            rows[row["round"]][column] = row["value"]
    found = [{**_key(cell), "round": number, **rows[number]} for number in sorted(rows)]
    return pl.DataFrame(found, schema=ROUNDS)


def pivot_clients(cell: Cell, metrics: pl.DataFrame, records: pl.DataFrame | None) -> pl.DataFrame:
    """Return a row per round and client of a cell.

    Args:
        cell: which.
        metrics: as for `pivot_rounds`.
        records: its table of clients, or None.
    """
    rows: dict[tuple[int, str], dict[str, Any]] = defaultdict(dict)
    for row in metrics.iter_rows(named=True):
        column = _CLIENT_COLUMNS.get((row["phase"], row["name"]))
        if row["client_id"] == SERVER or column is None:
            continue
        value = int(row["value"]) if column.endswith("_bytes") else row["value"]
        rows[row["round"], row["client_id"]][column] = value
    if records is not None:
        for row in records.iter_rows(named=True):
            told = {name: row[name] for name in _FROM_RECORDS}
            rows[row["round"], row["client_id"]].update(told)
    found = [
        {**_key(cell), "round": number, "client": client, **rows[number, client]}
        for number, client in sorted(rows)
    ]
    return pl.DataFrame(found, schema=CLIENTS)


def _key(cell: Cell) -> dict[str, Any]:
    return {
        "backend": cell.backend,
        "strategy": cell.strategy,
        "clients": cell.clients,
        "repeat": cell.repeat,
    }
