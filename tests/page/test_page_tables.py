"""The tables of a run are made whole, whatever they lack."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import InputError
from fedloom.page.tables import RunTables, complete_tables, name_apart, split_runs
from fedloom.records.schema import ClientRecord, RoundRecord, column_names

from .synthetic_runs import make_run

CLIENTS = pl.DataFrame({
    "round": [1, 1, 2, 2],
    "client_id": ["a", "b", "a", "b"],
    "num_examples": [10, 30, 10, 30],
    "participated": [True, True, False, True],
    "failure": ["", "", "error", ""],
    "train_loss": [4.0, 2.0, None, 1.0],
    "global_score": [0.5, 0.5, 0.75, 0.75],
    "simulated_seconds": [1.0, 3.0, 9.0, 2.0],
})  # fmt: skip


def complete(clients: pl.DataFrame, rounds: pl.DataFrame | None = None) -> RunTables:
    return complete_tables(RunTables("run", clients, pl.DataFrame() if rounds is None else rounds))


def test_missing_rounds_are_derived_from_the_clients() -> None:
    rounds = complete(CLIENTS).rounds

    assert rounds["round"].to_list() == [1, 2]
    assert rounds["cohort_size"].to_list() == [2, 2]
    assert rounds["participants"].to_list() == [2, 1]
    assert rounds["num_examples"].to_list() == [40, 30]
    assert rounds["train_loss"].to_list() == [2.5, 1.0]  # (10·4 + 30·2) / 40
    assert rounds["global_score"].to_list() == [0.5, 0.75]
    assert rounds["simulated_seconds"].to_list() == [3.0, 2.0]
    assert rounds["train_seconds"].to_list() == [None, None]


def test_a_rounds_own_value_goes_before_a_derived_one() -> None:
    given_rounds = pl.DataFrame({"round": [2], "participants": [7], "train_seconds": [1.5]})
    rounds = complete(CLIENTS, given_rounds).rounds

    assert rounds["participants"].to_list() == [2, 7]
    assert rounds["train_seconds"].to_list() == [None, 1.5]
    assert rounds["cohort_size"].to_list() == [2, 2]


def test_all_columns_are_there_afterwards() -> None:
    run = complete(CLIENTS.select("round", "client_id"))

    assert run.clients.columns == column_names(ClientRecord)
    assert run.rounds.columns == column_names(RoundRecord)
    assert run.clients.height == 4


def test_rounds_alone_are_enough() -> None:
    run = complete(pl.DataFrame(), pl.DataFrame({"round": [1, 2], "global_loss": [2.0, 1.0]}))

    assert run.rounds["global_loss"].to_list() == [2.0, 1.0]
    assert run.clients.is_empty()


def test_nan_infinity_and_empty_text_are_missing() -> None:
    odd = pl.DataFrame({"round": [1, 1, 1], "local_score": [float("nan"), float("inf"), 0.5],
                        "run_id": ["", "", "x"]})  # fmt: skip
    run = complete(odd)

    assert run.clients["local_score"].to_list() == [None, None, 0.5]
    assert run.rounds["run_id"].item() == "x"


def test_the_originals_columns_get_their_new_names() -> None:
    old = pl.DataFrame({
        "run_id": ["u"] * 2, "round": [1, 1], "client_id": ["client_1", "client_2"],
        "model_type": ["CNN"] * 2, "participated": ["True", "False"],
        "round_fail_reason": [None, "error"], "data_Distribution": ["{0: 5, 1: 3}", "{0: 1}"],
        "samples_count": [8, 1], "Computation_Time": [0.5, None], "quality_Factor": [0.9, None],
    })  # fmt: skip
    run = complete(old)

    assert run.clients["local_score"].to_list() == [0.9, None]
    assert run.clients["participated"].to_list() == [True, False]
    assert run.clients["label_counts"].to_list() == ["{0: 5, 1: 3}", "{0: 1}"]
    assert run.rounds["model"].item() == "CNN"
    assert run.rounds["participants"].item() == 1


def test_a_run_without_rows_is_refused() -> None:
    with pytest.raises(InputError, match=r"run 'run' holds no rows"):
        complete(pl.DataFrame())


def test_a_merged_table_is_taken_apart_by_run() -> None:
    one, two = make_run(rounds=2, clients=3), make_run(rounds=1, clients=3, seed=8)
    merged = RunTables(
        "all", pl.concat([one.clients, two.clients]), pl.concat([one.rounds, two.rounds])
    )
    runs = split_runs(merged)

    assert [run.name for run in runs] == ["all 00079f3c", "all 00089f3c"]
    assert [run.clients.height for run in runs] == [6, 3]
    assert [run.rounds.height for run in runs] == [2, 1]


def test_a_single_run_keeps_its_name() -> None:
    run = make_run(rounds=1, clients=2)
    assert split_runs(run) == [run]


@given(st.lists(st.sampled_from(["a", "b", "a (2)", "a (3)"]), max_size=8))
def test_names_become_unique_and_keep_their_order(names: list[str]) -> None:
    apart = name_apart(names)

    assert len(set(apart)) == len(names)
    assert all(new.startswith(old) for new, old in zip(apart, names, strict=True))
