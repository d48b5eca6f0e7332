"""The old study's cells as the tables that reports are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from fedloom.bench.legacy.correction import correct_scores
from fedloom.bench.legacy.tree import OldCell
from fedloom.bench.outcome import CellStatus
from fedloom.bench.results.frames import CELLS, CLIENTS, ROUNDS, StudyResults

__all__ = ["make_results"]


def make_results(name: str, cells: Sequence[OldCell]) -> StudyResults:
    """Return the tables, with accuracies corrected; see `fedloom.bench.legacy.correction`.

    Args:
        name: of the study.
        cells: all of it: what a server process carried out before matters.
    """
    corrected, doubts = correct_scores(cells)
    rounds = [row for cell in cells for row in _round_rows(cell, corrected.get(cell.name, {}))]
    clients = [row for cell in cells for row in _client_rows(cell)]
    return StudyResults(
        name=name,
        cells=pl.DataFrame([_cell_row(cell) for cell in cells], schema=CELLS),
        rounds=pl.DataFrame(rounds, schema=ROUNDS),
        clients=pl.DataFrame(clients, schema=CLIENTS),
        warnings=[*(text for cell in cells for text in cell.warnings), *doubts],
        about={"Imported": "accuracies corrected; the recorded ones are running means"},
    )


def _key(cell: OldCell) -> dict[str, Any]:
    return {
        "backend": cell.backend,
        "strategy": cell.strategy,
        "clients": cell.clients,
        "repeat": 1,
    }


def _cell_row(cell: OldCell) -> dict[str, Any]:
    server = cell.server
    done = len(server.evaluate_ended)
    finished = server.finished_s is not None
    first = min(server.fit_begun.values(), default=None)
    waited = None if first is None or server.started is None else first - server.started
    return {
        **_key(cell),
        "status": CellStatus.FINISHED if finished else CellStatus.FAILED,
        "reason": "" if finished else "the server's log is missing or ends too early",
        "rounds": done,
        "started": "" if server.started is None else server.started.isoformat(),
        "seconds": server.finished_s,
        "ready_seconds": None if waited is None else waited.total_seconds(),
    }


def _round_rows(cell: OldCell, corrected: dict[int, float]) -> list[dict[str, Any]]:
    server, recorded = cell.server, cell.scores()
    rows = []
    if server.initial is not None:
        scored = {"score": corrected.get(0), "recorded_score": recorded[0]}
        rows.append({**_key(cell), "round": 0, "loss": server.initial[0], **scored})
    for number, progress in sorted(server.progress.items()):
        begun, fitted = server.fit_begun.get(number), server.fit_ended.get(number)
        asked, ended = server.evaluate_begun.get(number), server.evaluate_ended.get(number)
        rows.append(
            {
                **_key(cell),
                "round": number,
                "loss": progress.loss,
                "score": corrected.get(number),
                "recorded_score": recorded[number],
                "distributed_loss": server.distributed_losses.get(number),
                "elapsed_seconds": progress.elapsed_s,
                "fit_seconds": _between(begun, fitted),
                "evaluate_seconds": _between(fitted, progress.at),
                "validate_seconds": _between(asked, ended),
                "round_seconds": _between(begun, ended),
            }
        )
    return rows


def _between(begun: Any, ended: Any) -> float | None:
    return None if begun is None or ended is None else float((ended - begun).total_seconds())


def _client_rows(cell: OldCell) -> list[dict[str, Any]]:
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for name, used in cell.used.items():
        for one in used:
            row = rows.setdefault(
                (name, one.round), {**_key(cell), "round": one.round, "client": name}
            )
            row[f"{one.work}_machine_cpu_percent"] = one.cpu_percent
            row[f"{one.work}_seconds"] = one.seconds
    return list(rows.values())
