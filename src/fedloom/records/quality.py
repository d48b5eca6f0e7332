"""The five yes-or-no qualities of a service that the studies on the original's tables use.

A service is a client, a round an epoch of composition; each quality compares a client with the
others of its run and round, or with a fixed bound.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import polars as pl

__all__ = ["Thresholds", "rate_services"]

_ROUND = ["run_id", "round"]
_QUALITIES = ["DUM", "SUM", "HQS", "SRS", "MUM"]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Where each quality begins; the defaults are those of the studies.

    Attributes:
        data_distance: DUM: L2 distance of a client's label counts from the round's mean counts
            is below this (rows).
        time_ratio: SUM: its training time over the round's mean is below this.
        score_distance: HQS: its score is at most this far from the round's mean.
        reliability: SRS: the mean of its scores so far is at least this.
        model_distance: MUM: L2 norm of its weights minus those the round started with is below
            this.
        composable: the mean of the five from which on a service counts as composable.
    """

    data_distance: float = 400.0
    time_ratio: float = 1.5
    score_distance: float = 0.05
    reliability: float = 0.7
    model_distance: float = 0.3
    composable: float = 0.5


def rate_services(clients: pl.DataFrame, thresholds: Thresholds | None = None) -> pl.DataFrame:
    """Add the five qualities, their mean and the rule's verdict to a table of clients.

    Args:
        clients: as `read_records` returns it.
        thresholds: where each quality begins.

    Returns:
        The same rows and columns, then ``reliability`` (mean score over the rounds so far), DUM,
        SUM, HQS, SRS and MUM (0 or 1), ``composability_score`` (their mean) and ``composable``. A
        missing value, as of a client that failed, meets no condition.
    """
    bounds = thresholds or Thresholds()
    score, seconds = pl.col("local_score"), pl.col("train_seconds")
    rated = _add_reliability(_add_data_distance(clients)).with_columns(
        DUM=pl.col("_data_distance") < bounds.data_distance,
        SUM=seconds / seconds.mean().over(_ROUND) < bounds.time_ratio,
        HQS=(score - score.mean().over(_ROUND)).abs() <= bounds.score_distance,
        SRS=pl.col("reliability") >= bounds.reliability,
        MUM=pl.col("divergence") < bounds.model_distance,
    )
    return (
        rated.drop("_data_distance")
        .with_columns(pl.col(_QUALITIES).fill_null(False).cast(pl.Int8))
        .with_columns(composability_score=pl.mean_horizontal(_QUALITIES))
        .with_columns(composable=pl.col("composability_score") >= bounds.composable)
    )


def _add_reliability(clients: pl.DataFrame) -> pl.DataFrame:
    """Add each client's mean score over its rounds so far, whatever the order of the rows."""
    score = pl.col("local_score")
    so_far = score.fill_null(0.0).cum_sum() / score.is_not_null().cum_sum().replace(0, None)
    return clients.with_columns(
        reliability=so_far.over(["run_id", "client_id"], order_by="round").fill_nan(None)
    )


def _add_data_distance(clients: pl.DataFrame) -> pl.DataFrame:
    """Add the L2 distance of each client's label counts from the mean counts of its round."""
    numbered = clients.with_row_index("_row")
    parts = numbered.partition_by(_ROUND, maintain_order=True)
    measured = [part.with_columns(_data_distance=_measure(part["label_counts"])) for part in parts]
    frame = (
        pl.concat(measured).sort("_row")
        if measured
        else numbered.with_columns(_data_distance=pl.lit(None, dtype=pl.Float64))
    )
    return frame.drop("_row")


def _measure(label_counts: pl.Series) -> pl.Series:
    counts = [json.loads(text) if text else {} for text in label_counts]
    labels = list(dict.fromkeys(label for row in counts for label in row))
    table = np.array([[row.get(label, 0) for label in labels] for row in counts], dtype=float)
    table = table.reshape(len(counts), len(labels))
    return pl.Series(np.linalg.norm(table - table.mean(axis=0), axis=1))
