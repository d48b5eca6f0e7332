"""A study in one table: a row per backend, strategy and number of clients, over its repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import polars as pl

from fedloom.bench.report.groups import strategy_order
from fedloom.bench.report.interval import CONFIDENCE, Interval
from fedloom.bench.report.measures import MEASURES, measure_repeats
from fedloom.bench.report.shares import Limit, Limitation, find_limit
from fedloom.bench.report.whole import CELL, complete_results
from fedloom.bench.results.frames import StudyResults

__all__ = ["CellSummary", "summarise_cells", "summary_document"]


@dataclass(frozen=True)
class CellSummary:
    """A cell with all its repeats.

    Attributes:
        backend: what computed.
        strategy: the federated algorithm.
        clients: how many there were.
        repeats: how many began.
        rounds: the fewest and the most that a repeat finished.
        statuses: how many repeats ended how.
        reasons: why some did not finish, each once.
        failures: of clients, all repeats together.
        target_score: that was to be reached, or None.
        measures: by name (see `fedloom.bench.report.measures.MEASURES`).
        limitation: where the time goes, over all repeats; None where it was not measured.
    """

    backend: str
    strategy: str
    clients: int
    repeats: int
    rounds: tuple[int, int]
    statuses: Mapping[str, int]
    reasons: tuple[str, ...]
    failures: int
    target_score: float | None
    measures: Mapping[str, Interval]
    limitation: Limitation | None

    @property
    def name(self) -> str:
        """What the cell is called on the page."""
        return f"{self.backend} · {self.strategy} · {self.clients}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; a measure that no repeat has is left out."""
        limit = self.limitation
        return {
            "backend": self.backend,
            "strategy": self.strategy,
            "clients": self.clients,
            "repeats": self.repeats,
            "rounds": list(self.rounds),
            "statuses": dict(self.statuses),
            "reasons": list(self.reasons),
            "client_failures": self.failures,
            "target_score": self.target_score,
            "measures": {
                name: {"mean": m.mean, "half_width": m.half_width, "repeats": m.count}
                for name, m in self.measures.items()
                if m.count
            },
            "limit": None if limit is None else str(limit.limit),
            "shares": {} if limit is None else {str(k): v for k, v in limit.shares.items()},
        }


def summarise_cells(results: StudyResults) -> list[CellSummary]:
    """Return all cells in the order of backend, strategy (as studied) and number of clients."""
    repeats = measure_repeats(complete_results(results))
    groups = repeats.partition_by(CELL, maintain_order=True, as_dict=False)
    cells = [_summarise(group) for group in groups]
    return sorted(cells, key=lambda c: (c.backend, strategy_order(c.strategy), c.clients))


def summary_document(results: StudyResults) -> dict[str, Any]:
    """Return the summary table as plain values, for JSON."""
    return {
        "name": results.name,
        "confidence": CONFIDENCE,
        "cells": [cell.to_dict() for cell in summarise_cells(results)],
        "baselines": [_plain(baseline) for baseline in results.baselines],
        "warnings": list(results.warnings),
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: what is not finite becomes None."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _summarise(group: pl.DataFrame) -> CellSummary:
    backend, strategy, clients = group.select(CELL).row(0)
    rounds = [number or 0 for number in group["rounds"]]
    return CellSummary(
        backend=backend,
        strategy=strategy,
        clients=clients,
        repeats=group.height,
        rounds=(min(rounds), max(rounds)),
        statuses=dict(Counter(status or "unknown" for status in group["status"])),
        reasons=tuple(dict.fromkeys(reason for reason in group["reason"] if reason)),
        failures=int(group["failures"].sum()),
        target_score=next((t for t in group["target_score"] if t is not None), None),
        measures={m.name: Interval.of(_numbers(group[m.name])) for m in MEASURES},
        limitation=_limitation(group),
    )


def _numbers(values: pl.Series) -> Sequence[float | None]:
    return values.cast(pl.Float64).to_list()


def _limitation(group: pl.DataFrame) -> Limitation | None:
    """Take the mean of the repeats whose phases could be taken apart alike."""
    apart = group.filter(pl.col(str(Limit.COMPUTE)).is_not_null())
    taken = apart if apart.height else group
    return find_limit((limit, _mean(taken[str(limit)])) for limit in Limit)


def _mean(values: pl.Series) -> float | None:
    known = [value for value in _numbers(values) if value is not None]
    return sum(known) / len(known) if known else None
