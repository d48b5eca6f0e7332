"""Writing an execution log: JSON, or Parquet for large ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fedloom.errors import OutputError
from fedloom.files import open_replacing
from fedloom.scheduling.log.rows import (
    ExecutionRows,
    execution_rows,
    row_times,
    unfinished_requests,
)
from fedloom.scheduling.log.summary import summarise
from fedloom.scheduling.log.table import write_table
from fedloom.scheduling.log.texts import join_rows, quote_all, quoted, seconds_text
from fedloom.scheduling.metrics.metrics import Metrics
from fedloom.scheduling.problem import NEVER, Problem, Schedule

__all__ = ["write_log"]


def write_log(path: Path, problem: Problem, schedule: Schedule, metrics: Metrics) -> None:
    """Write the log of a schedule, in one step, by the start of executions.

    Times are seconds with six decimals since the first request's arrival; ``gpu_id`` is the first
    device of the gang, null where there is none. The format follows from the suffix: ``.json`` as
    the studied system has it (``summary`` and ``executions``, its fields first, then ours), or
    ``.parquet``, which is smaller and faster to read.

    Args:
        path: where to.
        problem: what was scheduled.
        schedule: the result.
        metrics: of that result, for the summary.

    Raises:
        OutputError: the suffix is another one, or the place cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".json", ".parquet"):
        raise OutputError(f"cannot write a log to {path}: its name must end in .json or .parquet")
    left = [problem.request_ids[int(r)] for r in unfinished_requests(problem, schedule)]
    _check_texts(path, problem)
    head = {"summary": summarise(problem, metrics), "unfinished_requests": left}
    write = write_table if suffix == ".parquet" else _write_json
    write(path, problem, schedule, head)


def _check_texts(path: Path, problem: Problem) -> None:
    """Refuse a name that no file can hold: one with half of a surrogate pair."""
    try:
        "\n".join(problem.request_ids).encode()
    except UnicodeEncodeError as error:
        name = next(name for name in problem.request_ids if not _is_text(name))
        raise OutputError(
            f"cannot write {path}: the request id {name!r} is not valid text; rename it"
        ) from error


def _is_text(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _write_json(path: Path, problem: Problem, schedule: Schedule, head: dict[str, Any]) -> None:
    summary = json.dumps(head["summary"], ensure_ascii=False, indent=2, allow_nan=False)
    left = json.dumps(head["unfinished_requests"], ensure_ascii=False)
    with open_replacing(path) as file:
        file.write(('{\n  "summary": ' + summary.replace("\n", "\n  ")).encode())
        file.write((',\n  "unfinished_requests": ' + left).encode())
        file.write(b',\n  "executions": [')
        separator = b"\n"
        for text in _render(problem, schedule):
            file.write(separator)
            file.write(text)
            separator = b",\n"
        file.write(b"\n  ]\n}\n")


def _render(problem: Problem, schedule: Schedule) -> Iterator[bytes]:
    """Yield the executions as lines of JSON, chunk by chunk, without a comma at the ends."""
    texts = _Texts(problem)
    for rows in execution_rows(problem, schedule):
        yield join_rows(texts.lines(schedule, rows), ",\n")


class _Texts:
    """The parts of lines that many executions share, rendered once."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.requests = quoted(problem.request_ids)
        self.nodes = _node_texts(problem)
        count = len(problem.cluster.gpus)
        self.first_gpu = quote_all([None, *range(count)])
        self.next_gpu = pl.Series("", ["", *(f", {gpu}" for gpu in range(count))], pl.String)
        self.tenants = quote_all([None, *problem.tenants])
        self.met = quote_all([None, False, True])

    def lines(self, schedule: Schedule, rows: ExecutionRows) -> pl.Series:
        """Return each execution as a line."""
        times = row_times(self.problem, schedule, rows)
        due = times.pop("deadline")
        pieces = pl.DataFrame(
            {
                "request": self.requests.gather(rows.request),
                "node": self.nodes.gather(rows.node),
                "gpu": self.first_gpu.gather(rows.gpus[:, 0] + 1),
                "gang": self._gangs(rows.gpus),
                "tenant": self.tenants.gather(self.problem.tenant[rows.request] + 1),
                "met": self.met.gather(rows.met + 1),
                "priority": self.problem.priority[rows.request],
                "deadline": due,
                **times,
            }
        )
        return pieces.select(_LINE).to_series()

    def _gangs(self, gpus: np.ndarray[Any, np.dtype[np.int32]]) -> pl.Series:
        """Return the devices of each row as they stand between the brackets."""
        text = self.first_gpu.gather(gpus[:, 0] + 1).set(pl.Series(gpus[:, 0] < 0), "")
        for place in range(1, gpus.shape[1]):
            if (gpus[:, place] >= 0).any():
                text = text + self.next_gpu.gather(gpus[:, place] + 1)
        return text


def _node_texts(problem: Problem) -> pl.Series:
    """Return the fields that follow from the node, for all workflows laid end to end."""
    return pl.Series(
        "",
        [
            ", ".join(
                f'"{name}": {json.dumps(value, ensure_ascii=False)}'
                for name, value in {
                    "workflow_id": workflow.workflow_id,
                    "node_id": node.node_id,
                    "model_name": node.model_id,
                }.items()
            )
            for workflow in problem.workflows
            for node in workflow.nodes
        ],
        pl.String,
    )


def _line() -> pl.Expr:
    """Return the expression of a line; its order is the order of the fields."""
    pieces: list[pl.Expr] = [pl.lit('    {"request_id": '), pl.col("request")]
    pieces += [pl.lit(", "), pl.col("node"), pl.lit(', "gpu_id": '), pl.col("gpu")]
    for name in ("start_time", "end_time", "execution_time", "estimated_time"):
        pieces += [pl.lit(f', "{name}": '), seconds_text(pl.col(name))]
    for name in ("switch_time", "waiting_time"):
        pieces += [pl.lit(f', "{name}": '), seconds_text(pl.col(name))]
    pieces += [pl.lit(', "gpu_ids": ['), pl.col("gang"), pl.lit("]")]
    for name in ("ready_time", "arrival_time"):
        pieces += [pl.lit(f', "{name}": '), seconds_text(pl.col(name))]
    due = pl.when(pl.col("deadline") == NEVER).then(pl.lit("null"))
    pieces += [pl.lit(', "tenant": '), pl.col("tenant"), pl.lit(', "priority": ')]
    pieces += [pl.col("priority").cast(pl.String), pl.lit(', "deadline": ')]
    pieces += [due.otherwise(seconds_text(pl.col("deadline")))]
    pieces += [pl.lit(', "deadline_met": '), pl.col("met"), pl.lit("}")]
    return pl.concat_str(pieces)


_LINE = _line()
