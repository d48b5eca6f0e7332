"""Whole cells over a real SuperLink: what they leave, and what it does not depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import fedloom
from fedloom.bench import Cell, CellPlace, CellStatus, Study
from fedloom.bench.cell.history import History
from fedloom.experiment.weights_store import WeightsStore
from fedloom.records import read_metrics, read_records, read_rounds

from .bench_world import run_cell, small_study

_MEASURED = ("_seconds", "_bytes", "_percent")


def numbers(folder: Path) -> list[pl.DataFrame]:
    """Return all of a cell's tables but for what was measured on this machine."""
    records = CellPlace(folder).records.path
    metrics = read_metrics(records)
    kept = metrics.filter(~pl.any_horizontal(pl.col("name").str.ends_with(m) for m in _MEASURED))
    tables = [read_records(records), read_rounds(records)]
    return [kept, *(t.select(c for c in t.columns if not c.endswith(_MEASURED)) for t in tables)]


def last_weights(folder: Path, number: int = 2) -> list[np.ndarray]:
    return WeightsStore(CellPlace(folder).records.weights, ()).read(number)


@pytest.fixture(scope="module")
def study() -> Study:
    return small_study(strategy=("FedAvg", "FedAvgM"), n_client_instances=(3,), target_score=0.5)


@pytest.fixture(scope="module")
def cell(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cell")
    outcome = run_cell(study, folder)
    assert (outcome.status, outcome.reason) == (CellStatus.FINISHED, "")
    return folder


def test_the_outcome_says_how_it_went(study, cell):
    outcome = fedloom.bench.outcome.read_outcome(CellPlace(cell).outcome)
    assert outcome.rounds == 2
    assert (outcome.run, outcome.cell, outcome.seed) == ("test", "jax-FedAvg-3", 42)
    assert outcome.seconds > 0
    assert outcome.ready_seconds > 0
    found = History.read(CellPlace(cell).records)
    elapsed = found.series("evaluate", "elapsed_seconds")
    assert outcome.target_score == 0.5
    assert outcome.target_seconds in elapsed.values()
    assert outcome.seconds == elapsed[2] + found.series("validate", "validate_seconds")[2]


def test_every_number_of_the_contract_is_measured(cell):
    table = read_metrics(CellPlace(cell).records.path)
    found = {
        (who if who == "server" else "client", number, phase, name)
        for who, number, phase, name in table.select(
            "client_id", "round", "phase", "name"
        ).iter_rows()
    }
    used = ("cpu_percent", "machine_cpu_percent", "memory_bytes", "waiting_seconds")
    evaluate = ("loss", "score", "evaluate_seconds", "elapsed_seconds")
    expected = {("server", number, "evaluate", name) for number in (0, 1, 2) for name in evaluate}
    for number in (1, 2):
        scored = ("loss", "score", "num_examples", "evaluate_seconds", *used)
        expected |= {("client", number, "train", name) for name in ("fit_seconds", *used)}
        expected |= {("client", number, "validate", name) for name in scored}
        validate = ("loss", "score", "validate_seconds")
        expected |= {("server", number, "validate", name) for name in validate}
        expected.add(("server", number, "train", "fit_seconds"))
        expected.add(("server", number, "round", "round_seconds"))
    assert found == expected
    assert table.filter(pl.col("client_id") != "server")["client_id"].n_unique() == 3
    assert (table.filter(pl.col("name").str.ends_with("_seconds"))["value"] >= 0).all()


def test_clients_together_score_what_the_server_scores(cell):
    found = History.read(CellPlace(cell).records)
    for name, tolerance in (("loss", 1e-5), ("score", 1e-9)):
        central, theirs = found.series("evaluate", name), found.series("validate", name)
        assert [theirs[n] for n in (1, 2)] == pytest.approx(
            [central[n] for n in (1, 2)], rel=tolerance
        )


def test_a_fresh_evaluation_of_the_saved_weights_gives_the_recorded_score(study, cell):
    plan = study.plan_of(next(study.cells()))
    rows = fedloom.partition(dataset="digits", clients=3, sample_size=400, seed=plan.seed).dataset
    kernel, bias = last_weights(cell)
    logits = rows.test_features.reshape(len(rows.test_labels), -1) @ kernel + bias
    score = float((logits.argmax(axis=1) == rows.test_labels).mean())
    recorded = History.read(CellPlace(cell).records).series("evaluate", "score")[2]
    assert recorded == pytest.approx(score, abs=1e-12)


def test_a_cell_learns_what_a_simulation_of_its_plan_learns(study, cell):
    plan = study.plan_of(next(study.cells()))
    alike = fedloom.simulate(plan=plan)
    for ours, theirs in zip(last_weights(cell), alike.weights(2), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_a_cell_carried_out_again_gives_the_same_numbers(study, cell, tmp_path):
    run_cell(study, tmp_path)
    for ours, theirs in zip(numbers(tmp_path), numbers(cell), strict=True):
        assert ours.equals(theirs)
    for ours, theirs in zip(last_weights(tmp_path), last_weights(cell), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_momentum_changes_what_is_learnt(study, cell, tmp_path):
    outcome = run_cell(study, tmp_path, Cell("jax", "FedAvgM", 3))
    assert outcome.status is CellStatus.FINISHED
    first, second = (
        [
            not np.allclose(a, b)
            for a, b in zip(last_weights(tmp_path, n), last_weights(cell, n), strict=True)
        ]
        for n in (1, 2)
    )
    assert not any(first)  # there is no step yet that could be kept
    assert all(second)


def test_a_loss_that_grows_beyond_measure_is_a_divergence(tmp_path):
    study = small_study(num_rounds=4, plan={"optimizer": "sgd", "learning_rate": 1e6})
    outcome = run_cell(study, tmp_path)
    assert outcome.status is CellStatus.DIVERGED
    assert "round 1" in outcome.reason
    assert outcome.rounds <= 1  # it is not carried on with


def test_clients_of_another_run_take_no_part(tmp_path):
    outcome = run_cell(small_study(), tmp_path, clients_of="another", wait_s=5.0)
    assert outcome.status is CellStatus.FAILED
    assert "0 of 2 clients" in outcome.reason
    assert "run=test, cell=jax-FedAvg-2: this client is of run another" in outcome.reason


def test_a_cell_goes_on_after_its_last_finished_round(tmp_path, monkeypatch):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    study = small_study(num_rounds=3)
    run_cell(study, whole)
    from fedloom.bench.cell import server

    def stop_after_two(number: int, *_: Any) -> None:
        if number == 2:
            raise fedloom.errors.RunFailedError("it is enough")

    with monkeypatch.context() as patch:
        patch.setattr(server, "refuse_divergence", stop_after_two)
        assert run_cell(study, parted).reason == "it is enough"
    CellPlace(parted).outcome.unlink()
    outcome = run_cell(study, parted)
    assert (outcome.status, outcome.rounds) == (CellStatus.FINISHED, 3)
    for ours, theirs in zip(numbers(parted), numbers(whole), strict=True):
        assert ours.equals(theirs)
    elapsed = list(
        History.read(CellPlace(parted).records).series("evaluate", "elapsed_seconds").values()
    )
    assert elapsed == sorted(elapsed)
