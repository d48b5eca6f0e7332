"""Studies: what they hold, how they are read and written, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedloom.bench.checks import check_study
from fedloom.bench.estimate import estimate_seconds
from fedloom.bench.outcome import CellStatus, write_outcome
from fedloom.bench.places import RunPlace
from fedloom.bench.study_file import make_study, merge_study_options, read_study, write_study
from fedloom.errors import FedloomError, InputError

from .bench_world import outcome_of, small_study


def test_cells_follow_each_other_by_machines_and_then_by_strategy():
    study = make_study(
        {"n_client_instances": [2, 5], "strategy": ["FedAvg", "fed-adam"], "repeats": 2}
    )
    assert [cell.id for cell in study.cells()] == [
        *("jax-FedAvg-2", "jax-FedAdam-2", "jax-FedAvg-2-r2", "jax-FedAdam-2-r2"),
        *("jax-FedAvg-5", "jax-FedAdam-5", "jax-FedAvg-5-r2", "jax-FedAdam-5-r2"),
    ]
    assert [study.plan_of(cell).seed for cell in study.cells()] == [42, 42, 43, 43] * 2


def test_a_repeat_changes_the_seed_and_a_strategy_only_the_algorithm():
    study = small_study(strategy=("FedAvg", "FedAvgM"), repeats=2)
    plans = {cell.id: study.plan_of(cell).identity for cell in study.cells()}

    def differing(left: str, right: str) -> set[str]:
        a, b = plans[left], plans[right]
        return {name for name in {*a, *b} if a.get(name) != b.get(name)}

    assert differing("jax-FedAvg-2", "jax-FedAvgM-2") == {"algorithm"}
    assert differing("jax-FedAvg-2", "jax-FedAvg-2-r2") == {"seed"}


def test_numbers_of_strategies_go_to_those_that_take_them():
    study = make_study(
        {
            "n_client_instances": [2],
            "strategy": ["FedAvg", "FedAvgM"],
            "plan": {"server_momentum": 0.7},
        }
    )
    avg, momentum = (study.plan_of(cell) for cell in study.cells())
    assert (avg.server_momentum, momentum.server_momentum) == (None, 0.7)
    with pytest.raises(InputError, match="none of FedAvg takes it"):
        small_study(algorithm_params={"server_momentum": 0.7})


def test_tables_are_learnt_by_a_model_for_tables():
    models = {
        name: make_study({"n_client_instances": 2, "plan": {"dataset": name}}).plan.model
        for name in ("digits", "iris", "csv:prices.csv")
    }
    assert models == {"digits": "cnn", "iris": "mlp", "csv:prices.csv": "mlp"}


def test_a_study_is_read_as_it_was_written(tmp_path):
    study = small_study(repeats=2, target_score=0.5, algorithm_params={"server_learning_rate": 0.9})
    write_study(tmp_path / "study.yaml", study)
    again = read_study(tmp_path / "study.yaml")
    assert again == study
    assert [again.plan_of(c) for c in again.cells()] == [study.plan_of(c) for c in study.cells()]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "n_client_instances: missing"),
        ({"n_client_instances": [0]}, "n_client_instances=0: input should be greater"),
        ({"n_client_instances": [2, 2]}, "2, 2: each value once"),
        ({"n_client_instances": [2], "backend": ["jaxx"]}, "did you mean 'jax'"),
        ({"n_client_instances": [2], "strategy": ["FedAvgN"]}, "did you mean 'FedAvg"),
        ({"n_client_instances": [2], "strategy": ["FedAvg", "fed_avg"]}, "each value once"),
        ({"n_client_instances": [2], "rounds": 3}, "unknown option of a study 'rounds'"),
        ({"n_client_instances": [2], "num_rounds": 0}, "num_rounds=0"),
        ({"n_client_instances": [2], "plan": {"optimiser": "sgd"}}, "did you mean 'optimizer'"),
        ({"n_client_instances": [2], "plan": {"package": "x"}}, "package"),
    ],
)
def test_a_wrong_study_is_refused_in_one_line(options, said):
    with pytest.raises(InputError) as caught:
        make_study(options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_client_instances": [14]}, "400 rows"),
        ({"plan": {"cohort": 3}}, "cohort"),
        ({"plan": {"dataset": "iris", "model": "cnn", "sample_size": 100}}, "images"),
        ({"plan": {"dataset": "nothing"}}, "nothing"),
        ({"strategy": ["Scaffold"]}, "plain SGD only"),
        ({"strategy": ["Krum"]}, "cohort"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_before_anything_starts(options, said):
    study = small_study(**options)
    with pytest.raises(InputError) as caught:
        check_study(study)
    if said != "400 rows":
        assert said in str(caught.value)


def test_there_may_be_as_many_clients_as_batches(tmp_path):
    check_study(small_study(n_client_instances=(13,)))  # 400 rows are 13 batches of 32
    with pytest.raises(InputError, match=r"has 13 batches of 32 rows .* at most 13 clients"):
        check_study(small_study(n_client_instances=(14,)))


def test_flags_come_before_files_also_inside_of_the_plan():
    base = {"num_rounds": 3, "plan": {"epochs": 2, "model": "mlp"}}
    merged = merge_study_options(base, {"num_rounds": 4, "seed": None}, {"epochs": 5})
    assert merged == {"num_rounds": 4, "plan": {"epochs": 5, "model": "mlp"}}
    with pytest.raises(InputError, match="a mapping of names"):
        merge_study_options({"plan": [1]}, {}, {})


def test_a_damaged_study_is_an_error_with_its_place(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("n_client_instances: [2\n")
    with pytest.raises(FedloomError, match=r"study\.yaml"):
        read_study(path)
    path.write_text("n_client_instances: [2]\nnum_rounds: many\n")
    with pytest.raises(InputError, match=r"study\.yaml: num_rounds="):
        read_study(path)


def test_earlier_cells_of_the_like_tell_how_long_a_study_takes(tmp_path):
    study = small_study(strategy=("FedAvg", "FedAdam"), num_rounds=20)
    assert set(estimate_seconds(study, tmp_path).values()) == {None}
    for run, seconds in (("a", 10.0), ("b", 14.0)):
        place = RunPlace(tmp_path / run)
        earlier = small_study(strategy=("FedAvg",), seed=7)
        write_study(place.study, earlier)
        cell = next(earlier.cells())
        outcome = outcome_of(cell, place, CellStatus.FINISHED, seconds=seconds)
        write_outcome(place.cell(cell).outcome, outcome)
    other = RunPlace(tmp_path / "c")
    write_study(other.study, small_study(strategy=("FedAdam",), plan={"epochs": 9}))
    first, second = study.cells()
    # Two rounds took 10 s or 14 s, so one takes 6 s; 3 s until the clients were there.
    assert estimate_seconds(study, tmp_path) == {first: 3.0 + 20 * 6.0, second: None}


def test_failed_cells_tell_nothing_about_time(tmp_path):
    study, place = small_study(), RunPlace(tmp_path / "a")
    cell = next(study.cells())
    write_study(place.study, study)
    write_outcome(place.cell(cell).outcome, outcome_of(cell, place, CellStatus.FAILED))
    Path(tmp_path / "no run").mkdir()
    assert estimate_seconds(study, tmp_path) == {cell: None}
