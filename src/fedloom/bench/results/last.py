"""A cell in one row: how long its rounds took, and where it ended."""

from __future__ import annotations

import polars as pl

from fedloom.bench.results.frames import KEY, StudyResults

__all__ = ["summarise_cells"]


def summarise_cells(results: StudyResults) -> pl.DataFrame:
    """Return a row per cell: mean times of a round, and loss and score after the last one."""
    times = ("round_seconds", "fit_seconds", "evaluate_seconds", "validate_seconds")
    learnt = results.rounds.filter(pl.col("round") > 0)
    means = learnt.group_by(list(KEY)).agg(pl.col(name).mean().round(3) for name in times)
    last = learnt.sort("round").group_by(list(KEY)).last()
    last = last.select(*KEY, "loss", "score", "recorded_score")
    last = last.with_columns(pl.col("score", "recorded_score").round(4))
    cells = results.cells.select(*KEY, "status", "reason", "rounds", "seconds")
    return cells.join(means, on=list(KEY), how="left").join(last, on=list(KEY), how="left")
