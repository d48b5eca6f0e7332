"""Dependencies as the arrows of a Chrome trace."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedloom.scheduling.log.rows import ROWS_PER_CHUNK
from fedloom.scheduling.log.texts import join_rows
from fedloom.scheduling.problem import NEVER, Problem, Schedule

__all__ = ["render_flows"]

Whole = NDArray[np.int64]


def render_flows(problem: Problem, schedule: Schedule) -> Iterator[bytes]:
    """Yield flow events, from the end of each task to the start of those that waited for it.

    Only between tasks on devices, first device to first device: an arrow needs two slices.
    """
    servers = np.array([gpu.server for gpu in problem.cluster.gpus], np.int64)
    ran = (schedule.end_us != NEVER) & (schedule.gpus[:, 0] >= 0)
    number = 0
    for before, after in _edges(problem):
        both = np.flatnonzero(ran[before] & ran[after])
        for low in range(0, len(both), ROWS_PER_CHUNK):
            rows = both[low : low + ROWS_PER_CHUNK]
            source, target = schedule.gpus[before[rows], 0], schedule.gpus[after[rows], 0]
            frame = pl.DataFrame(
                {
                    "id": np.arange(number, number + len(rows)),
                    # Just inside the slice, or the arrow would leave from the next one.
                    "end": np.maximum(schedule.end_us[before[rows]] - 1, 0),
                    "pid": servers[source] + 1,
                    "tid": source + 1,
                    "start": schedule.start_us[after[rows]],
                    "to_pid": servers[target] + 1,
                    "to_tid": target + 1,
                }
            )
            number += len(rows)
            yield join_rows(frame.select(_ARROW).to_series(), ",\n")


def _edges(problem: Problem) -> Iterator[tuple[Whole, Whole]]:
    """Yield, for each edge of each workflow, the tasks before and after it."""
    for number, workflow in enumerate(problem.workflows):
        first = problem.first_task[np.flatnonzero(problem.workflow == number)]
        for before, after in workflow.edges:
            yield first + before, first + after


_ARROW = pl.concat_str(
    pl.lit('{"ph": "s", "cat": "waits", "name": "waits", "id": '),
    pl.col("id"),
    pl.lit(', "ts": '),
    pl.col("end"),
    pl.lit(', "pid": '),
    pl.col("pid"),
    pl.lit(', "tid": '),
    pl.col("tid"),
    pl.lit('},\n{"ph": "f", "bp": "e", "cat": "waits", "name": "waits", "id": '),
    pl.col("id"),
    pl.lit(', "ts": '),
    pl.col("start"),
    pl.lit(', "pid": '),
    pl.col("to_pid"),
    pl.lit(', "tid": '),
    pl.col("to_tid"),
    pl.lit("}"),
)
