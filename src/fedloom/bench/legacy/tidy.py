"""The old study's table ``eda_logs.csv``: a row per number.

Its column ``client_bool`` is inverted: it is False for what clients tell and True for the server's
progress. It is written so, because whoever reads the table knows it so, and reading ignores it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from fedloom.bench.legacy.tree import OldCell
from fedloom.bench.logs.client_events import Used
from fedloom.bench.logs.server_events import Progress, ServerEvents
from fedloom.errors import DataError
from fedloom.federation.algorithm import algorithm_names
from fedloom.files import open_replacing
from fedloom.learning.model_names import BACKEND_NAMES
from fedloom.naming import match_name

__all__ = ["COLUMNS", "read_tidy", "write_tidy"]

COLUMNS = {
    "strategy": pl.String,
    "n_clients": pl.Int64,
    "backend": pl.String,
    "client_bool": pl.Boolean,
    "client_num": pl.Int64,
    "metric": pl.String,
    "metric_value": pl.Float64,
    "timestamp": pl.String,
    "round": pl.Int64,
}

_WORK = {"cpu_utilization_fit": "fit", "cpu_utilization_evaluate": "evaluate"}


def write_tidy(cells: Sequence[OldCell], path: Path) -> int:
    """Write the table of some cells as CSV; return how many rows it has.

    Accuracies stand there as they were recorded.

    Raises:
        OutputError: it cannot be written.
    """
    rows = [row for cell in cells for row in _rows(cell)]
    table = pl.DataFrame(rows, schema=COLUMNS, orient="row")
    with open_replacing(path) as file:
        table.write_csv(file)
    return table.height


def _rows(cell: OldCell) -> Iterator[tuple[Any, ...]]:
    head = cell.strategy, cell.clients, cell.backend
    for number, (_, used) in enumerate(sorted(cell.used.items())):
        for one in used:
            at = f"{one.at:%Y-%m-%d %H:%M:%S}"
            name = f"cpu_utilization_{one.work}"
            yield *head, False, number, name, one.cpu_percent, at, one.round
    server = cell.server
    for number, progress in sorted(server.progress.items()):
        at = str(progress.elapsed_s)
        yield *head, True, None, "fit_progress_loss", progress.loss, at, number
        yield *head, True, None, "fit_progress_accuracy", progress.accuracy, at, number
    for number, loss in sorted(server.distributed_losses.items()):
        yield *head, False, None, "losses_distributed", loss, None, number
    for number, loss in _central_losses(server):
        yield *head, False, None, "losses_centralized", loss, None, number
    for number, score in cell.scores().items():
        yield *head, False, None, "metrics_centralized", score, None, number


def _central_losses(server: ServerEvents) -> Iterator[tuple[int, float]]:
    if server.initial is not None:
        yield 0, server.initial[0]
    for number, progress in sorted(server.progress.items()):
        yield number, progress.loss


def read_tidy(path: Path) -> list[OldCell]:
    """Read the cells from a table; times of day are there for clients alone.

    Without the servers' times nobody can tell which strategies one process carried out, so those
    of a backend and number of clients are taken as one, in the order in which their clients worked.

    Raises:
        DataError: it cannot be read, or lacks a column.
    """
    try:
        table = pl.read_csv(path, infer_schema=False)
        table = table.select(
            (pl.col(name).str.to_lowercase() == "true").alias(name)
            if kind == pl.Boolean
            else pl.col(name).cast(pl.Float64).cast(kind)
            if kind == pl.Int64
            else pl.col(name).cast(kind)
            for name, kind in COLUMNS.items()
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} is no table with the columns {', '.join(COLUMNS)}: {error}") from (
            error
        )
    groups = table.partition_by("backend", "n_clients", "strategy", maintain_order=True)
    return [_read_cell(group) for group in groups]


def _read_cell(table: pl.DataFrame) -> OldCell:
    first = table.row(0, named=True)
    server = ServerEvents()
    cell = OldCell(
        match_name("backend", first["backend"], BACKEND_NAMES),
        match_name("strategy", first["strategy"], algorithm_names()),
        first["n_clients"],
        server,
    )
    values: dict[str, dict[int, float]] = {}
    elapsed: dict[int, float] = {}
    for row in table.iter_rows(named=True):
        if (work := _WORK.get(row["metric"])) is not None:
            _read_used(cell, work, row)
        else:
            values.setdefault(row["metric"], {})[row["round"]] = row["metric_value"]
            if row["metric"] == "fit_progress_loss":
                elapsed[row["round"]] = float(row["timestamp"] or "nan")
    _fill(cell, values, elapsed)
    return cell


def _read_used(cell: OldCell, work: str, row: dict[str, Any]) -> None:
    name = str(row["client_num"])
    at = datetime.fromisoformat(row["timestamp"])
    cell.used.setdefault(name, []).append(
        Used(name, work, row["round"], at, row["metric_value"], None)
    )


def _fill(cell: OldCell, values: dict[str, dict[int, float]], elapsed: dict[int, float]) -> None:
    server = cell.server
    moments = [one.at for used in cell.used.values() for one in used]
    scores, losses = values.get("metrics_centralized", {}), values.get("losses_centralized", {})
    server.central_scores = scores
    server.distributed_losses = values.get("losses_distributed", {})
    server.rounds = max(losses, default=0)
    server.started = min(moments, default=None)
    if 0 in losses and 0 in scores:
        server.initial = losses[0], scores[0]
    for number, seconds in elapsed.items():
        loss = values["fit_progress_loss"][number]
        accuracy = values.get("fit_progress_accuracy", scores).get(number, float("nan"))
        server.progress[number] = Progress(loss, accuracy, seconds, max(moments))
    server.finished_s = elapsed.get(server.rounds)
