"""What a reader must know before the figures: failures, divergence, cells that are not whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

from fedloom.bench.cell.divergence import DIVERGED_TIMES
from fedloom.bench.outcome import CellStatus
from fedloom.bench.report.groups import strategy_order
from fedloom.bench.report.reference_lines import baseline_score
from fedloom.bench.report.summary import CellSummary
from fedloom.bench.report.whole import NAMES, UNFINISHED
from fedloom.bench.results.frames import StudyResults
from fedloom.page.wording import count, number

__all__ = ["Severity", "Trouble", "find_troubles"]


class Severity(StrEnum):
    """How much of a cell's figures can be used."""

    FAILED = "failed"
    DIVERGED = "diverged"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong with a cell.

    Attributes:
        cell: which one.
        severity: how bad it is.
        text: what is wrong, without a full stop.
    """

    cell: CellSummary
    severity: Severity
    text: str


def find_troubles(results: StudyResults, cells: Sequence[CellSummary]) -> list[Trouble]:
    """Return what is wrong, the worst first.

    Args:
        results: as they were given: a loss that is not finite counts as divergence.
        cells: the summaries of all cells.
    """
    grown = _grown_losses(results.rounds)
    found: list[Trouble] = []
    for cell in cells:
        diverged = list(_divergence(cell, grown))
        found += [*_failure(cell), *diverged, *_doubts(cell, cells)]
        found += [] if diverged else _guessing(cell, results)
    found += _twins(results.rounds, cells)
    order = list(Severity)
    return sorted(found, key=lambda trouble: order.index(trouble.severity))


def _failure(cell: CellSummary) -> Iterator[Trouble]:
    if failed := cell.statuses.get(CellStatus.FAILED, 0):
        why = "; ".join(cell.reasons) or "no reason was given"
        yield Trouble(cell, Severity.FAILED, f"{_of_repeats(failed, cell)}failed: {why}")


def _divergence(cell: CellSummary, grown: dict[tuple[str, str, int], str]) -> Iterator[Trouble]:
    key = (cell.backend, cell.strategy, cell.clients)
    said = cell.statuses.get(CellStatus.DIVERGED, 0)
    if said or key in grown:
        how = grown.get(key) or "; ".join(cell.reasons) or "its status says so"
        yield Trouble(cell, Severity.DIVERGED, f"{_of_repeats(said, cell)}diverged: {how}")


def _doubts(cell: CellSummary, cells: Sequence[CellSummary]) -> Iterator[Trouble]:
    if going := cell.statuses.get(UNFINISHED, 0):
        text = f"{_of_repeats(going, cell)}not finished, or still running"
        yield Trouble(cell, Severity.DOUBTFUL, text)
    most, repeats = max(c.rounds[1] for c in cells), max(c.repeats for c in cells)
    ended = {CellStatus.FAILED, CellStatus.DIVERGED} & set(cell.statuses)
    if cell.rounds[0] < most and not ended:
        text = f"{cell.rounds[0]} of {count(most, 'round')}"
        yield Trouble(cell, Severity.DOUBTFUL, text)
    if cell.repeats < repeats:
        text = f"{cell.repeats} of {count(repeats, 'repeat')}"
        yield Trouble(cell, Severity.DOUBTFUL, text)
    if cell.failures:
        text = f"{count(cell.failures, 'update')} of clients missing"
        yield Trouble(cell, Severity.DOUBTFUL, text)


def _guessing(cell: CellSummary, results: StudyResults) -> Iterator[Trouble]:
    """A cell that never does better than always giving the same answer has not learnt."""
    guesses = [
        score
        for baseline in results.baselines
        if baseline.get("backend", cell.backend) == cell.backend
        and baseline.get("clients", cell.clients) == cell.clients
        and (score := baseline_score(baseline, "constant")) is not None
    ]
    best = cell.measures["best_score"].mean
    if guesses and best is not None and best <= max(guesses):
        text = f"never better than a constant guess ({number(max(guesses), 3)})"
        yield Trouble(cell, Severity.DOUBTFUL, text)


def _twins(rounds: pl.DataFrame, cells: Sequence[CellSummary]) -> Iterator[Trouble]:
    """Find strategies that do the same: their losses are equal to the last digit in all rounds.

    It takes two rounds: what a strategy remembers shows from the second step on.
    """
    if "loss" not in rounds.columns:
        return
    known = rounds.filter(pl.col("round") > 0).drop_nulls("loss").sort("round")
    lists = known.group_by(NAMES, maintain_order=True).agg("loss")
    alike: dict[tuple[Any, ...], list[str]] = {}
    for row in lists.filter(pl.col("loss").list.len() > 1).iter_rows(named=True):
        place = (row["backend"], row["clients"], row["repeat"], *row["loss"])
        alike.setdefault(place, []).append(row["strategy"])
    doubled: dict[tuple[str, int, str], str] = {}
    for (backend, clients, *_), strategies in alike.items():
        first, *rest = sorted(strategies, key=strategy_order)
        doubled |= {(backend, clients, twin): first for twin in rest}
    for cell in cells:
        if other := doubled.get((cell.backend, cell.clients, cell.strategy)):
            text = f"its losses are those of {other} in every round"
            yield Trouble(cell, Severity.DOUBTFUL, text)


def _of_repeats(affected: int, cell: CellSummary) -> str:
    return "" if cell.repeats == 1 or not affected else f"{affected} of {cell.repeats} repeats "


def _grown_losses(rounds: pl.DataFrame) -> dict[tuple[str, str, int], str]:
    """Return how the loss of each diverged cell grew, by backend, strategy and clients."""
    if "loss" not in rounds.columns or rounds.is_empty():
        return {}
    known = rounds.drop_nulls("loss").sort("round")
    losses = known.group_by(NAMES, maintain_order=True).agg(
        first=pl.first("loss"), last=pl.last("loss"), wild=(~pl.col("loss").is_finite()).any()
    )
    grown = {}
    for row in losses.iter_rows(named=True):
        far = row["first"] > 0 and row["last"] > DIVERGED_TIMES * row["first"]
        if row["wild"] or far:
            loss = "is not finite" if row["wild"] else _from_to(row["first"], row["last"])
            grown[row["backend"], row["strategy"], row["clients"]] = f"the loss {loss}"
    return grown


def _from_to(first: float, last: float) -> str:
    return f"went from {number(first, 3)} to {number(last, 3)}"
