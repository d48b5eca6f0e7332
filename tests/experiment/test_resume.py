"""What --resume does with a run that ended, with another plan, and where there is nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fedloom
from fedloom.errors import DataError, InputError, OutputError

from .tiny_runs import run_tiny


def test_resume_starts_what_was_never_started() -> None:
    run = run_tiny(output="new", resume=True)
    assert (run.started_after, run.rounds.height) == (0, 2)


def test_resume_of_a_finished_run_touches_nothing() -> None:
    first = run_tiny(output="done")
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in first.path.rglob("*")}
    again = run_tiny(output="done", resume=True)
    assert again.started_after == 2
    assert again.rounds.equals(first.rounds)
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in first.path.rglob("*")} == before


def test_resume_of_a_finished_run_writes_lost_parquet_files_again() -> None:
    run = run_tiny(output="done")
    (run.path / "rounds.parquet").unlink()
    again = run_tiny(output="done", resume=True)
    assert (again.started_after, (run.path / "rounds.parquet").exists()) == (2, True)


def test_resume_of_a_failed_run_says_so_again() -> None:
    for resume in (False, True):
        with pytest.raises(fedloom.FedloomError, match=r"every client failed.*bad\.csv says why"):
            run_tiny(output="bad", learning_rate=1e38, weights="none", resume=resume)
    assert fedloom.open_run("outputs/runs/bad").clients["failure"].unique().to_list() == [
        "diverged"
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": 3}, "it differs in rounds: "),
        ({"learning_rate": 0.1, "algorithm": "FedProx"}, "differs in learning_rate, algorithm: "),
        ({"algorithm": "FedAvgM", "server_momentum": 0.2}, "algorithm, server_momentum: "),
        ({"columns": "mlaas"}, "differs in columns: "),
    ],
)
def test_another_plan_is_refused(changes: dict[str, Any], words: str) -> None:
    before = run_tiny(output="x").client_csv.read_bytes()
    with pytest.raises(InputError, match=words):
        run_tiny(output="x", resume=True, **changes)
    assert Path("outputs/runs/x.csv").read_bytes() == before


def test_what_is_no_part_of_the_plan_may_change() -> None:
    run_tiny(output="x")
    (Path("outputs/runs/x/rounds.parquet")).unlink()
    run = run_tiny(output="outputs/runs/x.csv", resume=True, weights="none", data_dir=".")
    assert run.started_after == 2


def test_changed_data_are_refused() -> None:
    rows = [f"{i},{i % 2}" for i in range(40)]
    options = {"dataset": "csv:data.csv", "label_column": "y", "output": "x"}
    Path("data.csv").write_text("x,y\n" + "\n".join(rows))
    run_tiny(**options)
    Path("data.csv").write_text("x,y\n" + "\n".join(["7,1", *rows[1:]]))
    with pytest.raises(InputError, match=r"the rows of csv:data\.csv have changed"):
        run_tiny(**options, resume=True)


def test_a_table_that_is_from_no_run_is_never_touched() -> None:
    Path("outputs/runs").mkdir(parents=True)
    Path("outputs/runs/mine.csv").write_text("a,b\n")
    with pytest.raises(OutputError, match="from no run that can go on"):
        run_tiny(output="mine", resume=True)
    assert Path("outputs/runs/mine.csv").read_text() == "a,b\n"


def test_a_damaged_checkpoint_is_said_to_be_one() -> None:
    run = run_tiny(output="x")
    (run.path / "checkpoint.npz").write_bytes(b"PK\x03\x04junk")
    with pytest.raises(DataError, match=r"checkpoint .* cannot be read: .*--overwrite"):
        run_tiny(output="x", resume=True)


def test_a_damaged_plan_is_said_to_be_one() -> None:
    run = run_tiny(output="x")
    (run.path / "plan.yaml").write_text("run_id: 1\nplan: 3\ndata_digest: x\n")
    with pytest.raises(InputError, match="plan"):
        run_tiny(output="x", resume=True)


def test_overwrite_replaces_a_run_and_all_its_files() -> None:
    run_tiny(output="x", rounds=3)
    run = run_tiny(output="x", rounds=1, overwrite=True)
    assert run.rounds.height == 1
    assert sorted(p.name for p in (run.path / "weights").iterdir()) == ["round_0001"]
