"""Executions as a typed table: what a log in Parquet holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedloom.errors import OutputError
from fedloom.files import open_replacing
from fedloom.scheduling.log.rows import ExecutionRows, execution_rows, row_times
from fedloom.scheduling.problem import NEVER, Problem, Schedule
from fedloom.workload.units import MICROSECONDS

__all__ = ["PARQUET_KEY", "write_table"]

PARQUET_KEY = "fedloom_log"
"""Where a log in Parquet holds, as JSON, what is not about one execution."""

_ROWS_PER_GROUP = 262_144


def write_table(path: Path, problem: Problem, schedule: Schedule, head: dict[str, Any]) -> None:
    """Write a log as Parquet: one row per execution, times as seconds in 64-bit floats.

    Args:
        path: where to.
        problem: what was scheduled.
        schedule: the result.
        head: what stands in the file's metadata under `PARQUET_KEY`.

    Raises:
        OutputError: the place cannot be written or the disk is full.
    """
    metadata = {PARQUET_KEY: json.dumps(head, ensure_ascii=False, allow_nan=False)}
    chunks = execution_rows(problem, schedule)
    frames = [_table(problem, schedule, rows) for rows in chunks]
    frame = pl.concat(frames) if frames else _table(problem, schedule, _no_rows(schedule))
    with open_replacing(path) as file:
        try:
            frame.write_parquet(file, metadata=metadata, row_group_size=_ROWS_PER_GROUP)
        except pl.exceptions.PolarsError as error:
            reason = str(error).strip().partition("\n")[0]
            raise OutputError(f"cannot write {path}: {reason}; is there space left?") from error


def _no_rows(schedule: Schedule) -> ExecutionRows:
    none = np.zeros(0, np.int64)
    return ExecutionRows(none, none, none, none, schedule.gpus[:0], none)


def _table(problem: Problem, schedule: Schedule, rows: ExecutionRows) -> pl.DataFrame:
    times = row_times(problem, schedule, rows)
    seconds = {name: pl.Series(name, column / MICROSECONDS) for name, column in times.items()}
    nodes = [node for graph in problem.workflows for node in graph.nodes]
    due = times["deadline"] != NEVER
    columns = {
        "request_id": [problem.request_ids[r] for r in rows.request.tolist()],
        "workflow_id": _names([w.workflow_id for w in problem.workflows], rows.workflow),
        "node_id": _names([node.node_id for node in nodes], rows.node),
        "model_name": _names([node.model_id for node in nodes], rows.node),
        "gpu_id": _gpu_id(rows.gpus),
        **{name: seconds[name] for name in list(times)[:6]},
        "gpu_ids": _gangs(rows.gpus),
        "ready_time": seconds["ready_time"],
        "arrival_time": seconds["arrival_time"],
        "tenant": _names(list(problem.tenants), problem.tenant[rows.request]),
        "priority": problem.priority[rows.request],
        "deadline": seconds["deadline"].set(pl.Series(~due), None),
        "deadline_met": pl.Series(rows.met == 1).set(pl.Series(rows.met < 0), None),
    }
    return pl.DataFrame(columns, schema_overrides={"request_id": pl.String})


def _names(names: list[str], positions: NDArray[np.int64]) -> pl.Series:
    """Return the name at each position; null where it is negative."""
    texts = pl.Series("", [*names, None], pl.String)
    return texts.gather(np.where(positions < 0, len(names), positions))


def _gpu_id(gpus: NDArray[np.int32]) -> pl.Series:
    first = pl.Series("", gpus[:, 0], pl.Int32)
    return first.set(first < 0, None)


def _gangs(gpus: NDArray[np.int32]) -> pl.Series:
    """Return the devices as lists, without the −1 that fill the rows."""
    lists = pl.Series("", gpus, pl.Array(pl.Int32, gpus.shape[1])).arr.to_list()
    return lists.list.eval(pl.element().filter(pl.element() >= 0))
