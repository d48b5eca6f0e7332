"""What is measured of a cell: one number per repeat, by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from fedloom.bench.report.shares import share_columns
from fedloom.bench.report.whole import NAMES
from fedloom.bench.results.frames import StudyResults

__all__ = ["MEASURES", "Kind", "Measure", "measure_repeats"]


class Kind(StrEnum):
    """How a number is spelt."""

    SCORE = "score"
    NUMBER = "number"
    SECONDS = "seconds"
    PERCENT = "percent"
    BYTES = "bytes"
    RATIO = "ratio"


@dataclass(frozen=True)
class Measure:
    """One column of the summary table.

    Attributes:
        name: of the column, with its unit.
        group: heading above it.
        label: heading of it.
        kind: how its numbers are spelt.
        meaning: one sentence.
    """

    name: str
    group: str
    label: str
    kind: Kind
    meaning: str


MEASURES = (
    Measure("final_score", "Learning", "Final score", Kind.SCORE, "central, after the last round"),
    Measure("best_score", "Learning", "Best", Kind.SCORE, "central, the best round's"),
    Measure(
        "recorded_score",
        "Learning",
        "As recorded",
        Kind.SCORE,
        "after the last round, as it stands in the imported logs, not corrected",
    ),
    Measure("final_loss", "Learning", "Loss", Kind.NUMBER, "central, after the last round"),
    Measure(
        "distributed_score",
        "Learning",
        "Clients' score",
        Kind.SCORE,
        "of the last round's weights on the clients' own evaluation rows, weighted by rows",
    ),
    Measure(
        "round_seconds",
        "Mean round",
        "Round",
        Kind.SECONDS,
        "from the start of fit to the end of the clients' evaluation, mean of the rounds",
    ),
    Measure(
        "median_round_seconds",
        "Mean round",
        "Median",
        Kind.SECONDS,
        "of the rounds; the first one, with loading and compiling, weighs less than in the mean",
    ),
    Measure("fit_seconds", "Mean round", "Fit", Kind.SECONDS, "all clients train; mean"),
    Measure("evaluate_seconds", "Mean round", "Central eval.", Kind.SECONDS, "by the server; mean"),
    Measure("validate_seconds", "Mean round", "Clients' eval.", Kind.SECONDS, "by clients; mean"),
    Measure("seconds", "Whole cell", "Total", Kind.SECONDS, "all rounds"),
    Measure(
        "target_seconds",
        "Whole cell",
        "To target",
        Kind.SECONDS,
        "from the first round's start until the target score was reached",
    ),
    Measure(
        "ready_seconds",
        "Whole cell",
        "To ready",
        Kind.SECONDS,
        "from the start of the server until all clients had answered",
    ),
    Measure("moved_bytes", "Whole cell", "Traffic", Kind.BYTES, "down and up, all clients"),
    Measure(
        "slowest_over_fastest",
        "Clients",
        "Slowest ÷ fastest",
        Kind.RATIO,
        "training time of the slowest client over the fastest one's, mean of the rounds",
    ),
    Measure("fit_cpu_percent", "Clients", "CPU fit", Kind.PERCENT, "own process, 100 is one core"),
    Measure(
        "evaluate_cpu_percent", "Clients", "CPU eval.", Kind.PERCENT, "own process, 100 is one core"
    ),
    Measure(
        "fit_machine_cpu_percent",
        "Clients",
        "Machine fit",
        Kind.PERCENT,
        "CPU of the whole machine, 100 is all cores",
    ),
    Measure(
        "evaluate_machine_cpu_percent",
        "Clients",
        "Machine eval.",
        Kind.PERCENT,
        "CPU of the whole machine, 100 is all cores",
    ),
    Measure("memory_bytes", "Clients", "Memory", Kind.BYTES, "of a client's process, the most"),
    Measure(
        "waiting_seconds",
        "Clients",
        "Waiting",
        Kind.SECONDS,
        "a client's process had nothing to do: mean of the rounds after the first",
    ),
)
"""The columns of the summary table, in their order."""


def measure_repeats(results: StudyResults) -> pl.DataFrame:
    """Return one row per repeat of each cell: what names it, its status, and all measures.

    Args:
        results: whole, as of `complete_results`.
    """
    cells = results.cells
    for more in (
        _of_rounds(results.rounds),
        _of_clients(results.clients),
        share_columns(results.rounds, results.clients),
    ):
        cells = cells.join(more, on=NAMES, how="left")
    return cells


def _of_rounds(rounds: pl.DataFrame) -> pl.DataFrame:
    """Last and best values and mean times; round 0, the initial weights, counts for none."""
    means = ("round_seconds", "fit_seconds", "evaluate_seconds", "validate_seconds")
    trained = rounds.filter(pl.col("round") > 0).sort("round")
    return trained.group_by(NAMES, maintain_order=True).agg(
        final_score=_last("score"),
        best_score=pl.max("score"),
        recorded_score=_last("recorded_score"),
        final_loss=_last("loss"),
        distributed_score=_last("distributed_score"),
        median_round_seconds=pl.median("round_seconds"),
        **{name: pl.mean(name) for name in means},
    )


def _last(column: str) -> pl.Expr:
    return pl.col(column).drop_nulls().last()


def _of_clients(clients: pl.DataFrame) -> pl.DataFrame:
    """Means over clients and rounds; every client's row counts once."""
    waiting = pl.sum_horizontal("fit_waiting_seconds", "evaluate_waiting_seconds")
    measured = ~pl.all_horizontal(
        pl.col("fit_waiting_seconds", "evaluate_waiting_seconds").is_null()
    )
    moved = pl.col("download_bytes", "upload_bytes")
    percents = [name for name in clients.columns if name.endswith("_percent")]
    found = clients.filter(pl.col("round") > 0).with_columns(
        # Before its first order a client waits for all others to join.
        waiting_seconds=pl.when(measured & (pl.col("round") > 1)).then(waiting),
        memory_bytes=pl.max_horizontal("fit_memory_bytes", "evaluate_memory_bytes"),
        moved_bytes=pl.when(~pl.all_horizontal(moved.is_null())).then(pl.sum_horizontal(moved)),
    )
    of_repeats = found.group_by(NAMES).agg(
        *(pl.mean(name) for name in (*percents, "waiting_seconds")),
        memory_bytes=pl.max("memory_bytes"),
        moved_bytes=pl.when(pl.count("moved_bytes") > 0).then(pl.sum("moved_bytes")),
        failures=(pl.col("failure").fill_null("") != "").sum().cast(pl.Int64),
    )
    return of_repeats.join(_spread_of_clients(found), on=NAMES, how="left")


def _spread_of_clients(clients: pl.DataFrame) -> pl.DataFrame:
    seconds = pl.col("fit_seconds")
    ratio = pl.when(seconds.min() > 0).then(seconds.max() / seconds.min())
    of_rounds = clients.group_by([*NAMES, "round"]).agg(slowest_over_fastest=ratio)
    return of_rounds.group_by(NAMES).agg(pl.mean("slowest_over_fastest"))
