"""How long a study will take, as far as earlier runs in the same folder tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

from fedloom.bench.cell_id import Cell
from fedloom.bench.outcome import CellStatus, read_outcome
from fedloom.bench.places import RunPlace
from fedloom.bench.study import Study
from fedloom.bench.study_file import read_study
from fedloom.errors import InputError

__all__ = ["estimate_seconds"]

_Pace: TypeAlias = tuple[float, float]
"""Seconds until the clients are there, and seconds of a round."""

_NOT_ABOUT_TIME = {"seed", "data_dir", "output", "output_dir", "weights", "columns"}


def estimate_seconds(study: Study, results: Path) -> Mapping[Cell, float | None]:
    """Return for each cell how long it takes by those finished before, None if there is none.

    Only cells of the same experiment, backend, strategy and number of clients count.

    Args:
        study: to be carried out.
        results: folder of all runs.
    """
    paces: dict[tuple[str, str, int], list[_Pace]] = {}
    for cell, pace in _find_paces(study, results):
        paces.setdefault((cell.backend, cell.strategy, cell.clients), []).append(pace)
    return {cell: _expect(study, cell, paces) for cell in study.cells()}


def _expect(
    study: Study, cell: Cell, paces: Mapping[tuple[str, str, int], list[_Pace]]
) -> float | None:
    known = paces.get((cell.backend, cell.strategy, cell.clients))
    if not known:
        return None
    ready, one_round = (fmean(values) for values in zip(*known, strict=True))
    return ready + one_round * study.num_rounds


def _find_paces(study: Study, results: Path) -> Iterator[tuple[Cell, _Pace]]:
    for folder in sorted(results.iterdir()) if results.is_dir() else ():
        place = RunPlace(folder)
        try:
            other = read_study(place.study)
        except InputError:  # no run of this version, or none at all
            continue
        if _shape(other) != _shape(study):
            continue
        for cell in other.cells():
            pace = _read_pace(place, cell)
            if pace is not None:
                yield cell, pace


def _read_pace(place: RunPlace, cell: Cell) -> _Pace | None:
    try:
        outcome = read_outcome(place.cell(cell).outcome)
    except InputError:
        return None
    if outcome is None or outcome.status is not CellStatus.FINISHED or not outcome.rounds:
        return None
    return outcome.ready_seconds, outcome.seconds / outcome.rounds


def _shape(study: Study) -> dict[str, object]:
    plan = study.plan.model_dump(mode="json", exclude_none=True)
    told = {key: value for key, value in plan.items() if key not in _NOT_ABOUT_TIME}
    return {**told, "fleet": study.fleet}
