"""A log as it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["Log"]


@dataclass(frozen=True, eq=False)
class Log:
    """An execution log, ours or one of the studied system.

    Attributes:
        path: where it was read from.
        summary: as it stands in the file; empty where there is none.
        executions: one row per execution in the order of the file, with the columns of
            `fedloom.scheduling.log.columns.SCHEMA`: names, times in whole microseconds since the
            first request's arrival, ``gpu_id``, ``deadline_met``. What the file does not say is
            null.
        gpus: [executions, K] devices, −1 beyond the execution's own number.
        gangs_known: whether `gpus` holds whole gangs. The studied system logs the first device
            alone.
        unfinished: names of requests that the file calls unfinished; None: it does not say.
    """

    path: Path
    summary: Mapping[str, Any]
    executions: pl.DataFrame
    gpus: NDArray[np.int32]
    gangs_known: bool
    unfinished: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.executions)

    @property
    def is_ours(self) -> bool:
        """Whether Fedloom wrote it: only our logs hold whole gangs and when tasks were ready."""
        return self.gangs_known and self.times("ready_time") is not None

    def times(self, name: str) -> NDArray[np.int64] | None:
        """Return a column of times in µs; None where the file has not one for every execution."""
        column = self.executions[name]
        return None if column.null_count() else column.to_numpy()
