"""From the executions of a log to the tasks of a problem."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedloom.scheduling.check.answer import UNSTATED, Answer
from fedloom.scheduling.check.demand import Demand
from fedloom.scheduling.check.log_alone import check_duplicates
from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations
from fedloom.scheduling.log.log import Log
from fedloom.scheduling.problem import NEVER, Problem

__all__ = ["answer_of_log"]

Whole = NDArray[np.int64]

_TOLERANCE_US = 2.0
"""Start, end and switch of a foreign log are rounded to microseconds one by one."""


def answer_of_log(log: Log, demand: Demand, found: Violations) -> Answer:
    """Return a log as an answer to a problem.

    Reports executions of what the problem does not have, and all but the first of each task; they
    are left out of the answer.
    """
    problem = demand.problem
    task = _tasks(log, problem, found)
    rows = np.flatnonzero((task >= 0) & check_duplicates(log, found))
    to = task[rows]
    gpus = np.full((problem.tasks, log.gpus.shape[1] if log.gangs_known else 1), -1, np.int32)
    gpus[to] = log.gpus[rows, : gpus.shape[1]]
    ready = log.times("ready_time")
    return Answer(
        start_us=_column(log, "start_time", problem.tasks, rows, to),
        switch_us=_column(log, "switch_time", problem.tasks, rows, to),
        end_us=_column(log, "end_time", problem.tasks, rows, to),
        gpus=gpus,
        named=_named(log, problem, found),
        ready_us=None if ready is None else _column(log, "ready_time", problem.tasks, rows, to),
        arrival_us=_arrivals(log, demand, rows, to),
        gangs_known=log.gangs_known,
        own_prices=log.is_ours,
        tolerance_us=0.0 if log.is_ours else _TOLERANCE_US,
    )


def _column(log: Log, name: str, tasks: int, rows: Whole, to: Whole) -> Whole:
    column = np.full(tasks, NEVER, np.int64)
    column[to] = log.executions[name].fill_null(0).to_numpy()[rows]
    return column


def _tasks(log: Log, problem: Problem, found: Violations) -> Whole:
    """Return the task of each execution; −1 where the problem has none such."""
    requests = pl.DataFrame(
        {
            "request_id": pl.Series(problem.request_ids, dtype=pl.String),
            "first": problem.first_task[:-1],
            "workflow": problem.workflow,
        }
    )
    nodes = pl.DataFrame(
        [
            (number, workflow.workflow_id, position, node.node_id, node.model_id)
            for number, workflow in enumerate(problem.workflows)
            for position, node in enumerate(workflow.nodes)
        ],
        schema={
            "workflow": pl.Int64,
            "right_workflow": pl.String,
            "position": pl.Int64,
            "node_id": pl.String,
            "right_model": pl.String,
        },
        orient="row",
    )
    names = log.executions.select("request_id", "workflow_id", "node_id", "model_name")
    rows = names.join(requests, on="request_id", how="left", maintain_order="left").join(
        nodes, on=["workflow", "node_id"], how="left", maintain_order="left"
    )
    model = pl.col("model_name").eq(pl.col("right_model")) if log.is_ours else pl.lit(True)
    fits = pl.col("workflow_id").eq(pl.col("right_workflow")).fill_null(True) & model
    known = rows.select(fits.fill_null(True) & pl.col("position").is_not_null()).to_series()
    task = rows.select((pl.col("first") + pl.col("position")).fill_null(-1)).to_series().to_numpy()

    def describe(row: int) -> Violation:
        return _unknown(rows.row(row, named=True), row)

    found.report(ViolationKind.UNKNOWN, np.flatnonzero(~known.to_numpy()), describe)
    return np.where(known.to_numpy(), task, -1)


def _unknown(row: dict[str, object], number: int) -> Violation:
    """Return what is wrong with the names of an execution."""
    name = f"{row['request_id']}/{row['node_id']} (execution {number + 1})"
    if row["first"] is None:
        what = f"has no request {row['request_id']}"
    elif row["position"] is None:
        what = f"has no node {row['node_id']} in its workflow"
    elif row["workflow_id"] != row["right_workflow"]:
        what = f"has {row['right_workflow']} for its workflow, not {row['workflow_id']}"
    else:
        what = f"has {row['right_model']} for its model, not {row['model_name']}"
    message = f"{name}: the workload {what}"
    return Violation(ViolationKind.UNKNOWN, message, request=str(row["request_id"]))


def _named(log: Log, problem: Problem, found: Violations) -> NDArray[np.bool_]:
    """Return [R] which requests the log calls unfinished."""
    named = np.zeros(problem.requests, np.bool_)
    if not log.unfinished:
        return named
    numbers = {name: number for number, name in enumerate(problem.request_ids)}
    strangers = [name for name in log.unfinished if name not in numbers]

    def describe(row: int) -> Violation:
        message = f"{strangers[row]} is called unfinished, but the workload has no such request"
        return Violation(ViolationKind.UNKNOWN, message, request=strangers[row])

    found.report(ViolationKind.UNKNOWN, range(len(strangers)), describe)
    named[[numbers[name] for name in log.unfinished if name in numbers]] = True
    return named


def _arrivals(log: Log, demand: Demand, rows: Whole, to: Whole) -> Whole | None:
    """Return [R] the arrivals that the log states, with its executions; None: it states none."""
    if (stated := log.times("arrival_time")) is None:
        return None
    arrival = np.full(demand.problem.requests, UNSTATED, np.int64)
    arrival[demand.request[to]] = stated[rows]
    return arrival
