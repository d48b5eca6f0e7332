"""What `fedloom bench` prints: what would start, and how all cells ended."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedloom.bench import CellOutcome
    from fedloom.bench.launch import Launch
    from fedloom.bench.provider import Estimate

__all__ = ["print_estimate", "print_outcomes", "print_way_on"]

_MINUTE, _HOUR = 60.0, 3600.0


def print_estimate(launch: Launch, estimate: Estimate, *, as_json: bool) -> None:
    """Print what a study would start, for how long, and what it would cost."""
    rows: list[dict[str, Any]] = [
        {
            "cell": cell.id,
            "processes": cell.clients + 1,
            "rounds": launch.study.num_rounds,
            "seed": launch.study.plan_of(cell).seed,
            "seconds": seconds,
        }
        for cell, seconds in estimate.seconds.items()
    ]
    total = estimate.total_seconds
    if as_json:
        said = {
            "provider": str(launch.provider),
            "cells": rows,
            "seconds": total,
            "cost_usd": estimate.cost_usd,
            "notes": list(estimate.notes),
        }
        print(json.dumps(said, indent=2))
        return
    shown = [[*map(str, list(row.values())[:-1]), _spell(row["seconds"])] for row in rows]
    _print_table(["cell", "processes", "rounds", "seed", "about"], shown)
    cost = "unknown" if estimate.cost_usd is None else f"USD {estimate.cost_usd:.2f}"
    print(f"{len(rows)} cells on {launch.provider}; time {_spell(total)}; cost {cost}")
    if total is None:
        print("the time is known once cells like these have finished in the same folder")
    for note in estimate.notes:
        print(note)
    print("nothing was started")


def print_outcomes(
    launch: Launch, outcomes: Sequence[CellOutcome], warnings: Sequence[str], *, as_json: bool
) -> None:
    """Print how the cells ended."""
    scores = {outcome.cell: _last_score(launch, outcome) for outcome in outcomes}
    if as_json:
        cells = [{**o.model_dump(mode="json"), "score": scores[o.cell]} for o in outcomes]
        said = {
            "run": launch.place.path.name,
            "folder": str(launch.place.path),
            "cells": cells,
            "warnings": list(warnings),
        }
        print(json.dumps(said, indent=2))
        return
    _print_table(
        ["cell", "status", "rounds", "score", "seconds", "to target", "reason"],
        [_show_outcome(outcome, scores[outcome.cell]) for outcome in outcomes],
    )
    for warning in warnings:
        print(f"warning: {warning}")
    print(f"results  {launch.place.path}")
    print(f"report   fedloom bench report {shlex.quote(str(launch.place.path))}")


def print_way_on(launch: Launch) -> None:
    """Print how to go on with a run that was interrupted."""
    if launch.place.study.exists():
        results = shlex.quote(str(launch.place.path.parent))
        command = f"fedloom bench --resume --run {launch.place.path.name} --dir {results}"
        print(f"go on with: {command}", file=sys.stderr)


def _show_outcome(outcome: CellOutcome, score: float | None) -> list[str]:
    target = "" if outcome.target_seconds is None else f"{outcome.target_seconds:.1f}"
    return [
        outcome.cell,
        str(outcome.status),
        str(outcome.rounds),
        "–" if score is None else f"{score:.4f}",
        f"{outcome.seconds:.1f}",
        target,
        outcome.reason,
    ]


def _last_score(launch: Launch, outcome: CellOutcome) -> float | None:
    from fedloom.bench.cell.history import History

    cell = next(c for c in launch.study.cells() if c.id == outcome.cell)
    series = History.read(launch.place.cell(cell).records).series("evaluate", "score")
    last = series.get(outcome.rounds)
    return last if last is not None and isfinite(last) else None


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    numbers = {"processes", "rounds", "seed", "score", "seconds", "to target", "about"}
    for name in head:
        settings: Any = {"justify": "right"} if name in numbers else {}
        table.add_column(name, overflow="fold", **settings)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


def _spell(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
