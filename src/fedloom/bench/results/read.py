"""Reading a run's folder into tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from fedloom.bench.cell_id import Cell
from fedloom.bench.outcome import CellOutcome, read_outcome
from fedloom.bench.places import RunPlace
from fedloom.bench.results.frames import CELLS, CLIENTS, ROUNDS, StudyResults
from fedloom.bench.results.pivot import pivot_clients, pivot_rounds
from fedloom.bench.results.saved import has_saved, load_results
from fedloom.errors import DataError, FedloomError, NotFoundError
from fedloom.learning.model_names import short_model_name
from fedloom.records import read_metrics, read_records

__all__ = ["cell_of", "read_cell", "read_results"]


def read_results(place: RunPlace) -> StudyResults:
    """Return all that a run's folder tells; what cannot be read gives a warning.

    Args:
        place: of a run of ours, or of imported logs.

    Raises:
        NotFoundError: there is no such folder, or it holds no run.
        DataError: saved tables of imported logs cannot be read.
    """
    if has_saved(place.path):
        return load_results(place.path)
    if not place.study.is_file():
        raise NotFoundError(
            f"{place.path} holds no run of fedloom bench; give a folder such as "
            "federated-learning-results/RUN"
        )
    warnings: list[str] = []
    outcomes = list(_read_outcomes(place, warnings))
    unended = _find_unended(place, outcomes, warnings)
    rounds, clients = [pl.DataFrame(schema=ROUNDS)], [pl.DataFrame(schema=CLIENTS)]
    for cell in [*map(cell_of, outcomes), *unended]:
        _read_tables(place, cell, rounds, clients, warnings)
    return StudyResults(
        name=place.path.resolve().name,
        cells=pl.DataFrame([_cell_row(outcome) for outcome in outcomes], schema=CELLS),
        rounds=pl.concat(rounds),
        clients=pl.concat(clients),
        baselines=_read_baselines(place, warnings),
        warnings=warnings,
        about=_read_about(place),
    )


def _read_outcomes(place: RunPlace, warnings: list[str]) -> Iterator[CellOutcome]:
    for path in sorted([*place.path.glob("*/*/*/cell.json"), *_repeats(place.path)]):
        try:
            found = read_outcome(path)
        except DataError as error:
            warnings.append(str(error))
            continue
        if found is not None:
            yield found


def _repeats(path: Path) -> Iterator[Path]:
    return path.glob("*/*/*/repeat-*/cell.json")


def _read_tables(
    place: RunPlace,
    cell: Cell,
    rounds: list[pl.DataFrame],
    clients: list[pl.DataFrame],
    warnings: list[str],
) -> None:
    try:
        of_rounds, of_clients = read_cell(place, cell)
    except FedloomError as error:
        warnings.append(f"{cell.id}: {error}")
    else:
        rounds.append(of_rounds)
        clients.append(of_clients)


def read_cell(place: RunPlace, cell: Cell) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the tables of one cell, as far as it came: of rounds, and of rounds and clients.

    Raises:
        DataError: a table is there, and malformed.
    """
    folder = place.cell(cell).records
    metrics = read_metrics(folder.path)
    records = read_records(folder.client_csv) if folder.client_csv.exists() else None
    return pivot_rounds(cell, metrics), pivot_clients(cell, metrics, records)


def cell_of(outcome: CellOutcome) -> Cell:
    """Return which cell an outcome is of."""
    return Cell(outcome.backend, outcome.strategy, outcome.clients, outcome.repeat)


def _cell_row(outcome: CellOutcome) -> dict[str, Any]:
    told = outcome.model_dump(mode="json")
    return {name: told[name] for name in CELLS.names()}


def _read_baselines(place: RunPlace, warnings: list[str]) -> list[Mapping[str, Any]]:
    found = []
    for path in sorted(place.path.glob("*/baselines-*.json")):
        try:
            found.append(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError) as error:
            warnings.append(f"{path} cannot be read: {error}")
    return found


def _read_about(place: RunPlace) -> dict[str, str]:
    from fedloom.bench.study_file import read_study

    try:
        plan = read_study(place.study).plan
    except FedloomError:  # `_find_unended` warns of it
        return {}
    partition = plan.partition
    if plan.partition_param is not None:
        partition += f" {plan.partition_param:g}"
    return {"Data set": plan.dataset, "Model": short_model_name(plan.model), "Split": partition}


def _find_unended(place: RunPlace, outcomes: list[CellOutcome], warnings: list[str]) -> list[Cell]:
    from fedloom.bench.study_file import read_study

    try:
        wanted = list(read_study(place.study).cells())
    except FedloomError as error:
        warnings.append(str(error))
        return []
    ended = {outcome.cell for outcome in outcomes}
    unended = [cell for cell in wanted if cell.id not in ended]
    if unended:
        few = ", ".join(cell.id for cell in unended[:5]) + (", …" if len(unended) > 5 else "")
        warnings.append(f"{len(unended)} of {len(wanted)} cells have not ended: {few}")
    return unended
