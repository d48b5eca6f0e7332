"""A run as the figures see it: its whole tables, its colour, and a few facts about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl

from fedloom.page.palette import color_of, dash_of
from fedloom.page.tables import RunTables, complete_tables, name_apart

__all__ = ["FEW_CLIENTS", "MANY_ROUNDS", "RunView", "Summary", "view_runs"]

FEW_CLIENTS = 8
"""Up to so many clients are drawn as single lines, more as a band."""

MANY_ROUNDS = 1000
"""More rounds are thinned evenly: no screen shows more points."""


@dataclass(frozen=True)
class Summary:
    """What the head of a page says about a run; None where it is not known."""

    run_id: str | None
    dataset: str | None
    task: str | None
    model: str | None
    algorithm: str | None
    backend: str | None
    partition: str | None
    partition_param: float | None
    clients: int
    rounds: int
    final_score: float | None
    best_score: float | None
    best_round: int | None
    cohort: int
    participants: int
    total_seconds: float | None
    simulated_seconds: float | None


@dataclass(frozen=True)
class RunView:
    """A run with whole tables, and how it looks among the runs of its page."""

    tables: RunTables
    index: int
    alone: bool

    @property
    def name(self) -> str:
        """What the run is called on the page."""
        return self.tables.name

    @property
    def clients(self) -> pl.DataFrame:
        """One row per client and round, with every column of the schema."""
        return self.tables.clients

    @cached_property
    def rounds(self) -> pl.DataFrame:
        """One row per round, thinned where there are more than a screen can show."""
        rounds = self.tables.rounds
        step = -(-rounds.height // MANY_ROUNDS)
        last = pl.int_range(pl.len()) == pl.len() - 1
        return rounds.filter((pl.int_range(pl.len()) % step == 0) | last)

    @property
    def color(self) -> str:
        """Token of the colour of the run, and of the global model where the run is alone."""
        return color_of(self.index)

    @property
    def client_color(self) -> str:
        """Token of the colour of the clients' own values."""
        return "@c2" if self.alone else self.color

    @property
    def dash(self) -> str:
        """Line style of the run."""
        return dash_of(self.index)

    @cached_property
    def client_ids(self) -> list[str]:
        """The clients in the order of the records."""
        return self.clients["client_id"].drop_nulls().unique(maintain_order=True).to_list()

    @cached_property
    def summary(self) -> Summary:
        """The facts for the head of the page."""
        return _summarise(self.tables, len(self.client_ids))

    def spread(self, column: str) -> pl.DataFrame:
        """Return round, low, median, high, min, max, q1, q3 of a client column, one row per round.

        `low` and `high` are the 10 % and 90 % quantiles. Rounds without a value hold nulls.
        """
        value = pl.col(column)
        spread = self.clients.group_by("round").agg(
            low=value.quantile(0.1, "linear"),
            q1=value.quantile(0.25, "linear"),
            median=value.median(),
            q3=value.quantile(0.75, "linear"),
            high=value.quantile(0.9, "linear"),
            min=value.min(),
            max=value.max(),
        )
        return self.rounds.select("round").join(spread, on="round", how="left").sort("round")

    def has(self, column: str) -> bool:
        """Return whether a client column holds any value."""
        return self.clients[column].count() > 0


def view_runs(runs: Sequence[RunTables]) -> list[RunView]:
    """Complete the tables of all runs and give each a name of its own and a colour."""
    names = name_apart(run.name for run in runs)
    return [
        RunView(complete_tables(replace(run, name=name)), index, len(runs) == 1)
        for index, (name, run) in enumerate(zip(names, runs, strict=True))
    ]


def _summarise(tables: RunTables, clients: int) -> Summary:
    rounds = tables.rounds
    scored = _scores(tables)
    best = scored.filter(pl.col("score") == pl.col("score").max()).head(1)
    facts = {name: _first(rounds, name) for name in _FACTS}
    return Summary(
        **facts,
        clients=clients or max(rounds["cohort_size"].drop_nulls(), default=0),
        rounds=rounds.height,
        final_score=scored["score"][-1] if scored.height else None,
        best_score=best["score"].item() if best.height else None,
        best_round=best["round"].item() if best.height else None,
        cohort=int(rounds["cohort_size"].sum()),
        participants=int(rounds["participants"].sum()),
        total_seconds=_total(rounds, "train_seconds", "evaluate_seconds"),
        simulated_seconds=_total(rounds, "simulated_seconds"),
    )


_FACTS = (
    "run_id",
    "dataset",
    "task",
    "model",
    "algorithm",
    "backend",
    "partition",
    "partition_param",
)


def _scores(tables: RunTables) -> pl.DataFrame:
    """Score of the global weights by round; where none was recorded, the clients' median."""
    scored = tables.rounds.select("round", score="global_score").drop_nulls()
    if scored.height:
        return scored
    own = tables.clients.group_by("round").agg(score=pl.col("local_score").median())
    return own.drop_nulls().sort("round")


def _first(table: pl.DataFrame, column: str) -> Any:
    return next((value for value in table[column] if value not in (None, "")), None)


def _total(rounds: pl.DataFrame, *columns: str) -> float | None:
    known = [rounds[column] for column in columns if rounds[column].count()]
    return float(sum(column.sum() for column in known)) if known else None
