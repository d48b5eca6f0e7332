"""What the options of a plan do to a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedloom
from fedloom.errors import DataError, InputError, UnknownNameError
from fedloom.federation.algorithm import algorithm_names

from .tiny_runs import assert_same_run, drop_measured, run_tiny


def test_numbers_are_learnt_as_regression() -> None:
    run = run_tiny(dataset="diabetes", rounds=8, epochs=3, learning_rate=0.05)
    assert run.clients["task"].unique().to_list() == ["regression"]
    assert run.rounds["global_score"][-1] > 0.2  # R²
    assert next(iter(json.loads(run.clients["label_counts"][0]))) == "bin_0"


def test_a_cohort_is_a_number_or_a_share() -> None:
    for cohort in (2, 0.5):
        run = run_tiny(clients=4, cohort=cohort, rounds=3)
        assert run.rounds["cohort_size"].to_list() == [2, 2, 2]
        assert run.clients.height == 6


def test_dropped_clients_have_rows_that_say_so() -> None:
    run = run_tiny(clients=10, dropout=0.4, output="drop")
    clients = run.clients
    assert clients.height == 20
    dropped = clients.filter(failure="dropped_out")
    assert 0 < dropped.height < 20
    assert not dropped["participated"].any()
    assert dropped["train_loss"].null_count() == dropped.height
    assert run.rounds["participants"].sum() == 20 - dropped.height
    kept = list((run.path / "weights").rglob("client_*.npz"))
    assert len(kept) == 20 - dropped.height


def test_devices_are_a_preset_a_file_or_settings(tmp_path: Path) -> None:
    file = tmp_path / "slow.yaml"
    file.write_text("examples_per_second: 10.0\ndeadline_s: 2.0\nspeed_spread: 0.5\n")
    settings = {"examples_per_second": 10.0, "deadline_s": 2.0, "speed_spread": 0.5}
    by_file, by_settings = run_tiny(clients=6, devices=file), run_tiny(clients=6, devices=settings)
    assert by_file.run_id == by_settings.run_id
    assert drop_measured(by_file.clients).equals(drop_measured(by_settings.clients))
    clients = by_file.clients
    late = clients.filter(failure="straggler")
    assert 0 < late.height < 12
    assert (late["simulated_seconds"] > 2.0).all()
    total = clients["simulated_train_seconds"] + clients["simulated_transfer_seconds"]
    assert total.equals(clients["simulated_seconds"], check_names=False)
    assert by_file.rounds["simulated_seconds"].to_list() == [2.0, 2.0]
    preset = run_tiny(devices="Mixed")
    assert preset.plan.devices is not None
    assert preset.plan.devices["availability"] == 0.95
    assert run_tiny().clients["simulated_seconds"].null_count() == 6


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ("mixd", "did you mean 'mixed'"),
        ({"speed": 1.0}, "unknown device setting 'speed'"),
        ({"availability": 2.0}, "availability=2.0"),
    ],
)
def test_devices_that_do_not_exist_are_refused(devices: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        run_tiny(devices=devices)


def test_a_model_of_the_user_s(tmp_path: Path) -> None:
    file = tmp_path / "wide.py"
    file.write_text(
        "import keras\n\n"
        "def build(feature_shape, outputs):\n"
        "    return keras.Sequential([keras.Input(feature_shape), keras.layers.Dense(outputs)])\n"
    )
    run = run_tiny(model=f"{file}:build")
    assert run.clients["model"].unique().to_list() == ["wide.py:build"]
    assert run.rounds.height == 2


def test_hidden_widths_shape_the_model() -> None:
    run = run_tiny(model="mlp", hidden=[128, 64], rounds=1, output="wide")
    assert [w.shape for w in run.weights(1)] == [(4, 128), (128,), (128, 64), (64,), (64, 3), (3,)]


def test_local_evaluation_may_be_left_out() -> None:
    run = run_tiny(local_evaluation="none")
    assert run.clients["local_score"].null_count() == 6
    assert run.rounds["global_score"].null_count() == 0


def test_a_table_of_the_user_s(tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 7},{i % 3},{'yes' if i % 7 > 3 else 'no'}" for i in range(60))
    Path("data.csv").write_text(f"a,b,buys\n{rows}\n")
    run = run_tiny(dataset="CSV:data.csv", label_column="buys")
    assert run.clients["dataset"].unique().to_list() == ["csv:data.csv"]
    assert set(json.loads(run.clients["label_counts"][0])) == {"no", "yes"}


def test_the_process_fleet_gives_the_records_of_the_simulated_one() -> None:
    ours = run_tiny(clients=2, output="lanes")
    theirs = run_tiny(clients=2, fleet="Process", workers=2, output="processes")
    assert theirs.run_id != ours.run_id
    for column in ("num_examples", "participated", "label_counts"):
        assert ours.clients[column].equals(theirs.clients[column])
    for column in ("train_loss", "divergence", "local_loss"):
        np.testing.assert_allclose(ours.clients[column], theirs.clients[column], rtol=1e-4)
    for left, right in zip(ours.weights(2), theirs.weights(2), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", algorithm_names())
def test_every_algorithm_is_known_in_any_case(name: str) -> None:
    clients = 9 if name == "Bulyan" else 5
    run = run_tiny(clients=clients, algorithm=name.swapcase())
    assert run.clients["algorithm"].unique().to_list() == [name]
    assert run.rounds["participants"].to_list() == [clients, clients]
    assert (run.rounds["epsilon"].null_count() == 0) == (name == "DPFedAvg")


def test_poisson_sampling_may_choose_nobody_and_the_run_goes_on() -> None:
    options = {"algorithm": "DPFedAvg", "clients": 4, "cohort": 1, "rounds": 8}
    for columns in ("fedloom", "mlaas"):
        run = run_tiny(**options, output=columns, columns=columns)
        rounds = run.rounds
        empty = rounds.filter(cohort_size=0)
        assert 0 < empty.height < 8
        assert empty["participants"].sum() == 0
        assert empty["train_loss"].null_count() == empty.height
        assert rounds["epsilon"].is_sorted()
        assert set(run.clients["round"]) == set(rounds.filter(rounds["cohort_size"] > 0)["round"])
        assert run.report().stat().st_size > 0


def test_all_may_be_empty() -> None:
    run = run_tiny(algorithm="DPFedAvg", clients=20, cohort=1, rounds=1, seed=5)
    assert run.rounds.height == 1
    assert run.clients.height == run.rounds["cohort_size"][0]


def test_a_plan_and_options_go_together() -> None:
    plan = fedloom.make_plan({"dataset": "iris", "model": "logistic", "clients": 3, "rounds": 1})
    run = fedloom.simulate(plan=plan, epochs=1)
    assert (run.plan.clients, run.plan.epochs) == (3, 1)
    assert run.plan.learning_rate == 0.3
    assert fedloom.simulate(plan=run.plan, optimizer="adam").plan.optimizer == "adam"


def test_a_plan_of_the_user_s_own(tmp_path: Path) -> None:
    Path("mine.yaml").write_text(
        "dataset: iris\nmodel: logistic\nclients: 2\nrounds: 1\nepochs: 1\npartition: custom\n"
        "distribution:\n  ann: {setosa: 9}\n  ben: {setosa: 1, virginica: 7}\n"
    )
    run = fedloom.simulate(plan="mine.yaml")
    assert run.clients["client_id"].to_list() == ["ann", "ben"]
    assert run.clients["num_examples"].to_list() == [9, 8]


def test_partition_takes_files_and_paths_as_simulate_does(tmp_path: Path) -> None:
    file = tmp_path / "who.json"
    file.write_text('{"a": {"0": 5}, "b": {"1": 7}}')
    split = fedloom.partition(partition="custom", distribution=file, clients=2)
    assert [len(rows) for rows in split.rows] == [5, 7]
    assert split.table().columns[:2] == ["client_id", "num_examples"]
    same = fedloom.partition(
        partition="custom", distribution={"a": {"0": 5}, "b": {"1": 7}}, clients=2
    )
    assert [r.tolist() for r in same.rows] == [r.tolist() for r in split.rows]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"plan": "none.yaml"}, DataError, "plan file none.yaml does not exist"),
        ({"overwrite": True}, InputError, "need output"),
        ({"resume": True}, InputError, "need output"),
        ({"resume": True, "overwrite": True, "output": "x"}, InputError, "exclude each other"),
        ({"client": 3}, UnknownNameError, "unknown option 'client': did you mean 'clients'"),
        ({"optimizer": "adam", "algorithm": "scaffold"}, InputError, "plain SGD only"),
    ],
)
def test_requests_that_cannot_be_met(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run_tiny(**options)
    assert not list(Path.cwd().iterdir())


def test_lanes_are_written_into_the_plan_and_change_no_record() -> None:
    one, two = run_tiny(lanes=1, output="one"), run_tiny(lanes=1, output="two", output_dir=".")
    assert one.plan.lanes == 1
    assert "lanes: 1" in (one.path / "plan.yaml").read_text()
    assert one.run_id == run_tiny(output="three").run_id
    assert_same_run(one.path, two.path)
