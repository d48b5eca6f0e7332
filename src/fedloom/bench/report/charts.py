"""The charts of a study: its six, and the groups to explore."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from fedloom.bench.report.groups import (
    BACKENDS,
    BACKENDS_AND_CLIENTS,
    CLIENTS,
    STRATEGIES,
    Grouping,
)
from fedloom.bench.report.lines import Line, line_card
from fedloom.bench.report.reference_lines import reference_lines
from fedloom.bench.report.rows import cpu_card, parts_card
from fedloom.bench.results.frames import StudyResults
from fedloom.page.bars import level
from fedloom.page.card import Card
from fedloom.page.wording import count

__all__ = ["study_cards"]

OWN, MACHINE = "CPU of the client's process (%, one core = 100)", "CPU of the machine (%)"


def study_cards(results: StudyResults, diverged: int = 0) -> list[Card]:
    """Return all charts of which something is known, the study's six first.

    Args:
        results: whole, as of `complete_results`.
        diverged: cells whose scores and losses mean little; charts of means say so.
    """
    cards = [*_main(results), *_explored(results)]
    known = [card for card in cards if card is not None]
    if diverged:
        known = [_with_diverged(card, diverged) for card in known]
    return level(known)


def _with_diverged(card: Card, diverged: int) -> Card:
    if not card.name.startswith(("score", "loss")):
        return card
    note = f"with {count(diverged, 'diverged cell')}"
    return replace(card, note="; ".join(filter(None, [card.note, note])))


def _main(results: StudyResults) -> list[Card | None]:
    rounds, trained = results.rounds, results.rounds.filter(pl.col("round") > 0)
    clients = results.clients.filter(pl.col("round") > 0)
    lines = reference_lines(results.baselines)
    machine = not _is_known(clients, "cpu_percent")
    time = Line("", "Mean round time", "Time of a round (s)", "round_seconds", ",.4~g")
    return [
        _cpu(clients, "evaluate", machine=machine),
        _cpu(clients, "fit", machine=machine),
        line_card(rounds, _score(rounds, "score-backend"), BACKENDS, lines),
        _of(trained, time, "time-backend", BACKENDS),
        line_card(rounds, _score(rounds, "score-clients"), CLIENTS, lines),
        _of(trained, time, "time-clients", CLIENTS),
    ]


def _explored(results: StudyResults) -> list[Card | None]:
    rounds, clients = results.rounds, results.clients.filter(pl.col("round") > 0)
    lines = reference_lines(results.baselines)
    loss = Line("loss-strategy", "Mean loss", "Loss, central", "loss", ",.4~g", log=True)
    both = _is_known(clients, "cpu_percent") and _is_known(clients, "machine_cpu_percent")
    only_machine = not _is_known(clients, "cpu_percent")
    by = _telling(results.cells)
    cards = [
        line_card(rounds, _score(rounds, "score-strategy"), STRATEGIES, lines),
        line_card(rounds, loss, STRATEGIES),
    ]
    for grouping in by:
        cards += [cpu_card(clients, grouping, machine=only_machine), parts_card(rounds, grouping)]
    if both:
        cards += [cpu_card(clients, grouping, machine=True) for grouping in by]
    return cards


def _telling(cells: pl.DataFrame) -> list[Grouping]:
    """The groupings that tell something: not those by what all cells share."""
    groupings = [BACKENDS]
    if cells["strategy"].n_unique() > 1:
        groupings.append(STRATEGIES)
    if cells["clients"].n_unique() > 1:
        groupings.append(BACKENDS_AND_CLIENTS)
    return groupings


def _is_known(clients: pl.DataFrame, kind: str) -> bool:
    return any(clients[f"{phase}_{kind}"].count() for phase in ("fit", "evaluate"))


def _cpu(clients: pl.DataFrame, phase: str, *, machine: bool) -> Card | None:
    """Mean CPU by backend: of the client's own process where that was measured."""
    column = f"{phase}_machine_cpu_percent" if machine else f"{phase}_cpu_percent"
    words = "evaluation" if phase == "evaluate" else "fit"
    axis = MACHINE if machine else OWN
    line = Line(f"cpu-{phase}", f"Mean CPU at {words}", axis, column, ".1f", from_zero=True)
    return line_card(clients, line, BACKENDS)


def _score(rounds: pl.DataFrame, name: str) -> Line:
    recorded = ("recorded_score", "as recorded, not corrected")
    second = recorded if rounds["recorded_score"].count() else None
    axis = "Score on the server's test part"
    return Line(name, "Mean score", axis, "score", ".3f", second=second)


def _of(table: pl.DataFrame, line: Line, name: str, grouping: Grouping) -> Card | None:
    named = Line(name, line.title, line.axis, line.column, line.format, from_zero=True)
    return line_card(table, named, grouping)
