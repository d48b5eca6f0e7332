"""A schedule as a Chrome trace, which Perfetto and Chrome's own viewer open.

Format: "Trace Event Format", the JSON object form. A server is a process, a device a thread; times
are microseconds since the first request's arrival.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedloom.files import open_replacing
from fedloom.scheduling.log.flows import render_flows
from fedloom.scheduling.log.rows import ExecutionRows, execution_rows, row_times
from fedloom.scheduling.log.texts import join_rows, quote_all, quoted, seconds_text
from fedloom.scheduling.problem import Problem, Schedule

__all__ = ["chrome_trace"]


def chrome_trace(path: Path, problem: Problem, schedule: Schedule, *, flows: bool = False) -> None:
    """Write a schedule as a Chrome trace, a part at a time.

    Every device of a gang has its own event. A switch is an event of its own, before the
    execution. Tasks without a device stand in a process of their own, as asynchronous events,
    because they may overlap.

    Args:
        path: where to; opened by ui.perfetto.dev and chrome://tracing.
        problem: what was scheduled.
        schedule: the result.
        flows: whether arrows lead from each task to those that waited for it.

    Raises:
        OutputError: the place cannot be written.
    """
    with open_replacing(path) as file:
        file.write(b'{"displayTimeUnit": "ms", "traceEvents": [\n')
        file.write(",\n".join(_places(problem)).encode())
        for text in _events(problem, schedule):
            file.write(b",\n")
            file.write(text)
        if flows:
            for text in render_flows(problem, schedule):
                file.write(b",\n")
                file.write(text)
        file.write(b"\n]}\n")


def _places(problem: Problem) -> Iterator[str]:
    """Yield the names of processes and threads."""
    servers = [*problem.cluster.servers, "beside the GPUs"]
    for number, name in enumerate(servers):
        yield _name("process_name", name, number + 1, 0)
        yield _name("process_sort_index", number, number + 1, 0)
    for gpu in problem.cluster.gpus:
        yield _name("thread_name", gpu.name, gpu.server + 1, gpu.index + 1)
        yield _name("thread_sort_index", gpu.index, gpu.server + 1, gpu.index + 1)


def _name(what: str, value: str | int, process: int, thread: int) -> str:
    key = "sort_index" if what.endswith("sort_index") else "name"
    event = {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {key: value}}
    return json.dumps(event, ensure_ascii=False)


def _events(problem: Problem, schedule: Schedule) -> Iterator[bytes]:
    """Yield the events of executions, chunk by chunk."""
    texts = _Texts(problem)
    for rows in execution_rows(problem, schedule):
        frame = texts.frame(schedule, rows)
        for place in range(rows.gpus.shape[1]):
            taken = np.flatnonzero(rows.gpus[:, place] >= 0)
            on = frame[taken].with_columns(*texts.where(rows.gpus[taken, place]))
            yield from _rendered(on.filter(pl.col("switch") > 0), _SWITCH)
            yield from _rendered(on, _EXECUTION)
        yield from _rendered(frame[np.flatnonzero(rows.gpus[:, 0] < 0)], texts.beside)


def _rendered(frame: pl.DataFrame, event: pl.Expr) -> Iterator[bytes]:
    if len(frame):
        yield join_rows(frame.select(event).to_series(), ",\n")


class _Texts:
    """The parts of events that many tasks share, rendered once."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._requests = quoted(problem.request_ids)
        nodes = [(workflow, node) for workflow in problem.workflows for node in workflow.nodes]
        self._workflows = quote_all(workflow.workflow_id for workflow, _ in nodes)
        self._nodes = quote_all(node.node_id for _, node in nodes)
        self._models = quote_all(node.model_id for _, node in nodes)
        self._loads = quote_all(f"load {node.model_id}" for _, node in nodes)
        self._tenants = quote_all([None, *problem.tenants])
        self._servers = np.array([gpu.server for gpu in problem.cluster.gpus], np.int64)
        self.beside = _beside(len(problem.cluster.servers) + 1)

    def frame(self, schedule: Schedule, rows: ExecutionRows) -> pl.DataFrame:
        """Return what the events of some executions are made of."""
        times = row_times(self._problem, schedule, rows)
        return pl.DataFrame(
            {
                "task": rows.task,
                "request": self._requests.gather(rows.request),
                "workflow": self._workflows.gather(rows.node),
                "node": self._nodes.gather(rows.node),
                "model": self._models.gather(rows.node),
                "load": self._loads.gather(rows.node),
                "tenant": self._tenants.gather(self._problem.tenant[rows.request] + 1),
                "start": times["start_time"],
                "end": times["end_time"],
                "switch": times["switch_time"],
                "waiting": times["waiting_time"],
            }
        )

    def where(self, gpu: NDArray[np.int32]) -> tuple[pl.Series, pl.Series]:
        """Return the processes and threads of devices."""
        return pl.Series("pid", self._servers[gpu] + 1), pl.Series("tid", gpu + 1)


def _text(*pieces: str | pl.Expr) -> pl.Expr:
    return pl.concat_str([pl.lit(piece) if isinstance(piece, str) else piece for piece in pieces])


_ARGS = _text(
    '"args": {"request": ',
    pl.col("request"),
    ', "workflow": ',
    pl.col("workflow"),
    ', "node": ',
    pl.col("node"),
    ', "model": ',
    pl.col("model"),
    ', "tenant": ',
    pl.col("tenant"),
    ', "waiting_s": ',
    seconds_text(pl.col("waiting")),
    "}}",
)

_AT = _text(', "pid": ', pl.col("pid"), ', "tid": ', pl.col("tid"), ", ")

_SWITCH = _text(
    '{"ph": "X", "cat": "switch", "name": ',
    pl.col("load"),
    ', "ts": ',
    pl.col("start"),
    ', "dur": ',
    pl.col("switch"),
    _AT,
    _ARGS,
)

_EXECUTION = _text(
    '{"ph": "X", "cat": "execution", "name": ',
    pl.col("model"),
    ', "ts": ',
    pl.col("start") + pl.col("switch"),
    ', "dur": ',
    pl.col("end") - pl.col("start") - pl.col("switch"),
    _AT,
    _ARGS,
)


def _beside(process: int) -> pl.Expr:
    """Return the two events of a task without a device: its begin and its end."""

    def event(phase: str, time: str) -> list[Any]:
        head = f'{{"ph": "{phase}", "cat": "beside", "pid": {process}, "tid": 0, "id": '
        return [head, pl.col("task"), ', "name": ', pl.col("model"), ', "ts": ', pl.col(time)]

    return _text(*event("b", "start"), ", ", _ARGS, ",\n", *event("e", "end"), "}")
