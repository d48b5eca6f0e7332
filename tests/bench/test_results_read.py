"""A run's folder as tables: what is there, what is missing, saved and loaded again; MLflow."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pytest

from fedloom.bench.cell_id import Cell
from fedloom.bench.mlflow_sink import EXPERIMENT, log_cell
from fedloom.bench.outcome import CellOutcome, CellStatus, write_outcome
from fedloom.bench.places import RunPlace
from fedloom.bench.results import CELLS, load_results, read_results, save_results
from fedloom.bench.results.last import summarise_cells
from fedloom.errors import DataError, InputError, LinkError, NotFoundError
from fedloom.records.schema import MetricRecord

CELL = Cell("jax", "FedAvg", 2)
OUTCOME = CellOutcome(
    run="mine",
    cell=CELL.id,
    backend="jax",
    strategy="FedAvg",
    clients=2,
    seed=42,
    status=CellStatus.FINISHED,
    rounds=1,
    started="2026-05-04T03:02:01+00:00",
    seconds=3.5,
    target_score=0.5,
    target_seconds=2.5,
)


def metric(number: int, client: str, phase: str, name: str, value: float) -> MetricRecord:
    return MetricRecord(
        run_id="r", round=number, client_id=client, phase=phase, name=name, value=value
    )


METRICS = [
    metric(0, "server", "evaluate", "loss", 2.0),
    metric(0, "server", "evaluate", "score", 0.125),
    metric(1, "server", "evaluate", "loss", 1.0),
    metric(1, "server", "evaluate", "score", 0.5),
    metric(1, "server", "evaluate", "elapsed_seconds", 2.5),
    metric(1, "server", "validate", "score", 0.25),
    metric(1, "server", "train", "fit_seconds", 1.5),
    metric(1, "server", "round", "round_seconds", 3.0),
    metric(1, "client-1", "train", "cpu_percent", 150.0),
    metric(1, "client-1", "train", "memory_bytes", 4096.0),
    metric(1, "client-2", "validate", "machine_cpu_percent", 30.0),
    metric(1, "client-2", "validate", "score", 0.75),
]


@pytest.fixture
def place(tmp_path: Path) -> RunPlace:
    made = RunPlace(tmp_path / "mine")
    cell = made.cell(CELL)
    cell.records.path.mkdir(parents=True)
    made.study.write_text("n_client_instances: [2]\nstrategy: [FedAvg]\n")
    table = pl.DataFrame([asdict(row) for row in METRICS])
    table.write_csv(cell.records.path / "metrics.csv")
    write_outcome(cell.outcome, OUTCOME)
    made.baselines("jax", 2).write_text(json.dumps({"clients": 2}))
    return made


def test_metrics_become_rows_of_rounds_and_clients(place: RunPlace) -> None:
    found = read_results(place)
    assert found.name == "mine"
    assert found.cells.row(0, named=True) == {
        name: OUTCOME.model_dump(mode="json")[name] for name in CELLS.names()
    }
    first, second = found.rounds.iter_rows(named=True)
    assert (first["round"], first["loss"], first["score"]) == (0, 2.0, 0.125)
    assert first["fit_seconds"] is None
    assert (second["score"], second["distributed_score"]) == (0.5, 0.25)
    assert (second["fit_seconds"], second["round_seconds"]) == (1.5, 3.0)
    one, two = found.clients.iter_rows(named=True)
    assert (one["client"], one["fit_cpu_percent"], one["fit_memory_bytes"]) == (
        "client-1",
        150.0,
        4096,
    )
    assert (two["evaluate_machine_cpu_percent"], two["score"]) == (30.0, 0.75)
    assert found.baselines == [{"clients": 2}]
    assert found.about["Data set"] == "digits"
    assert found.warnings == []


def test_a_cell_in_one_row(place: RunPlace) -> None:
    row = summarise_cells(read_results(place)).row(0, named=True)
    assert (row["score"], row["loss"], row["round_seconds"]) == (0.5, 1.0, 3.0)


def test_what_is_missing_is_warned_of(place: RunPlace) -> None:
    place.study.write_text("n_client_instances: [2]\nstrategy: [FedAvg, FedAdam]\n")
    place.cell(CELL).outcome.write_text("{rubbish")
    place.baselines("jax", 2).write_text("[")
    found = read_results(place)
    assert found.cells.height == 0
    assert found.rounds.height == 2  # what was measured is there
    assert any("cannot be read as a cell's outcome" in text for text in found.warnings)
    assert any("2 of 2 cells have not ended" in text for text in found.warnings)
    assert any("baselines-2.json cannot be read" in text for text in found.warnings)


def test_a_cut_table_is_warned_of(place: RunPlace) -> None:
    file = place.cell(CELL).records.path / "metrics.csv"
    file.write_text(file.read_text()[:-3] + ',"')
    found = read_results(place)
    assert found.cells.height == 1
    assert any(text.startswith("jax-FedAvg-2: ") for text in found.warnings)


def test_repeats_are_found(place: RunPlace) -> None:
    cell = replace(CELL, repeat=2)
    place.cell(cell).path.mkdir()
    outcome = OUTCOME.model_copy(update={"repeat": 2, "cell": cell.id, "seed": 43})
    write_outcome(place.cell(cell).outcome, outcome)
    assert read_results(place).cells["repeat"].to_list() == [1, 2]


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="holds no run"):
        read_results(RunPlace(tmp_path))


def test_tables_are_saved_and_loaded(place: RunPlace, tmp_path: Path) -> None:
    found = read_results(place)
    save_results(found, tmp_path / "saved")
    again = load_results(tmp_path / "saved")
    for name in ("cells", "rounds", "clients"):
        assert getattr(again, name).equals(getattr(found, name))
        assert (tmp_path / "saved" / f"{name}.csv").is_file()
    assert again.name == "mine"
    assert read_results(RunPlace(tmp_path / "saved")).rounds.equals(found.rounds)
    (tmp_path / "saved" / "rounds.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="import the logs again"):
        load_results(tmp_path / "saved")


def test_a_cell_is_logged_to_mlflow_once(place: RunPlace, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    first = log_cell(place, OUTCOME, uri)
    again = log_cell(place, OUTCOME, uri)
    assert first != again
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 2
    (child,) = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (parent,) = [run for run in runs if run is not child]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.params["strategy"] == "FedAvg"
    assert child.info.status == "FINISHED"
    scores = client.get_metric_history(again, "score")
    assert [(m.step, m.value) for m in scores] == [(0, 0.125), (1, 0.5)]
    assert child.data.metrics["clients.fit_cpu_percent"] == 150.0
    assert child.data.metrics["target_seconds"] == 2.5
    assert len(list(tmp_path.glob(f"mlflow-artifacts/{again}/artifacts/cell.json"))) == 1


def test_an_mlflow_that_is_not_there_is_named(place: RunPlace) -> None:
    with pytest.raises(InputError, match="mlflow=gopher://x"):
        log_cell(place, OUTCOME, "gopher://x")
    with pytest.raises(LinkError, match="logged later"):
        log_cell(place, OUTCOME, "http://127.0.0.1:9")
