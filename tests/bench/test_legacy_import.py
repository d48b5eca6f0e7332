"""The older study's logs: all 36 cells of it, corrected; and logs with parts missing."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.bench.legacy import import_study, make_results, read_tidy, read_tree, write_tidy
from fedloom.bench.legacy.correction import find_processes, undo_running_mean
from fedloom.bench.places import RunPlace
from fedloom.bench.results import StudyResults, read_results
from fedloom.bench.results.last import summarise_cells
from fedloom.cli import main
from fedloom.errors import DataError, NotFoundError, OutputError

from .old_study import LOST, ROWS, read_figures, write_old_study

SPELLED = {"FedAdaGrad": "FedAdagrad"}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "federated-learning-results"
    write_old_study(folder)
    return folder


@pytest.fixture(scope="module")
def study(logs: Path) -> StudyResults:
    return make_results("old", read_tree(logs))


def test_all_396_accuracies_are_shares_of_720_rows(study: StudyResults) -> None:
    images = study.rounds["score"] * ROWS
    assert images.len() == 396
    assert images.null_count() == 0
    assert (images - images.round()).abs().max() < 0.0013  # type: ignore[operator]


def test_all_36_cells_are_as_published(study: StudyResults) -> None:
    found = summarise_cells(study)
    assert found.height == 36
    for cell in read_figures():
        strategy = SPELLED.get(cell.strategy, cell.strategy)
        of_cell = (
            (pl.col("backend") == cell.backend)
            & (pl.col("strategy") == strategy)
            & (pl.col("clients") == cell.clients)
        )
        row = found.row(by_predicate=of_cell, named=True)
        assert row["status"] == "finished"
        assert row["score"] == pytest.approx(cell.score, abs=0.0011), cell
        assert row["recorded_score"] == pytest.approx(cell.recorded, abs=0.0011), cell
        assert row["loss"] == cell.loss
        assert row["seconds"] == cell.total_s
        assert row["round_seconds"] == pytest.approx(cell.round_s, abs=0.05)
        assert row["fit_seconds"] == pytest.approx(cell.fit_s, abs=0.05)
        assert row["evaluate_seconds"] == pytest.approx(cell.evaluate_s, abs=0.05)
        best = study.rounds.filter(of_cell & (pl.col("round") > 0))["score"].max()
        assert best == pytest.approx(cell.best, abs=0.0011)
        cpu = study.clients.filter(of_cell)
        assert cpu["fit_machine_cpu_percent"].mean() == pytest.approx(cell.cpu_fit)
        assert cpu["evaluate_machine_cpu_percent"].mean() == pytest.approx(cell.cpu_evaluate)


def test_the_two_lost_client_logs_are_warned_of(study: StudyResults) -> None:
    told = [
        f"{backend}/{SPELLED.get(strategy, strategy)}/{n}: {n - 1} of {n} client logs (lost)"
        for backend, strategy, n in LOST
    ]
    assert sorted(study.warnings) == sorted(told)


def test_a_strategy_that_was_run_alone_is_a_process_of_its_own(logs: Path) -> None:
    processes = find_processes(read_tree(logs))
    lengths = sorted(len(process) for process in processes)
    assert lengths == [1, 3, *[4] * 8]
    (alone,) = next(process for process in processes if len(process) == 1)
    assert alone.name == "torch/FedAdam/5"


def test_the_tidy_table_has_as_many_rows_as_the_original(logs: Path, tmp_path: Path) -> None:
    cells = read_tree(logs)
    assert write_tidy(cells, tmp_path / "eda_logs.csv") == 5432
    table = pl.read_csv(tmp_path / "eda_logs.csv")
    counts = dict(table["metric"].value_counts().iter_rows())
    assert counts["cpu_utilization_fit"] == counts["cpu_utilization_evaluate"] == 1780
    assert counts["fit_progress_loss"] == counts["losses_distributed"] == 360
    assert counts["metrics_centralized"] == 396
    inverted = table.filter(pl.col("client_bool"))["metric"].unique().sort().to_list()
    assert inverted == ["fit_progress_accuracy", "fit_progress_loss"]


def test_the_tidy_table_gives_the_same_accuracies(
    logs: Path, tmp_path: Path, study: StudyResults
) -> None:
    write_tidy(read_tree(logs), tmp_path / "eda_logs.csv")
    again = make_results("tidy", read_tidy(tmp_path / "eda_logs.csv"))
    key = ["backend", "strategy", "clients", "round"]
    both = study.rounds.join(again.rounds, on=key, suffix="_tidy")
    assert both.height == 396
    assert (both["score"] - both["score_tidy"]).abs().max() < 1e-9  # type: ignore[operator]


def test_a_table_without_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no table with the columns strategy"):
        read_tidy(tmp_path / "t.csv")


# The correction


@given(st.lists(st.integers(0, ROWS), min_size=1, max_size=60), st.integers(0, 60))
def test_a_running_mean_is_undone_wherever_it_is_cut(counts: list[int], cut: int) -> None:
    cut = min(cut, len(counts) - 1)
    means = [sum(counts[: k + 1]) / (k + 1) / ROWS for k in range(len(counts))]
    last = means[cut - 1] if cut else 0.0
    found = undo_running_mean(means[cut:], cut, last)
    assert found == pytest.approx([count / ROWS for count in counts[cut:]], abs=1e-9)


def one_cell(logs: Path, tmp_path: Path, *parts: str) -> tuple[Path, Path]:
    """Copy the cells of a backend with two clients; return the folder and a server log in it."""
    folder = tmp_path / "logs"
    for strategy in ("FedAvg", "FedAvgM", "FedAdaGrad"):
        place = folder / "jax" / strategy / "2"
        place.mkdir(parents=True)
        for file in (logs / "jax" / strategy / "2").iterdir():
            (place / file.name).write_bytes(file.read_bytes())
    return folder, folder.joinpath("jax", *parts)


def test_what_follows_a_cut_log_is_not_corrected(logs: Path, tmp_path: Path) -> None:
    folder, log = one_cell(logs, tmp_path, "FedAvg", "2", "server_log.log")
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:23]) + lines[23][:60])
    study = make_results("cut", read_tree(folder))
    scores = study.rounds.group_by("strategy").agg(pl.col("score").is_not_null().sum())
    counts = dict(scores.iter_rows())
    assert 0 < counts["FedAvg"] < 11
    assert counts["FedAvgM"] == 0
    assert any("FedAvgM/2: the accuracies cannot be corrected" in text for text in study.warnings)
    assert any("ends before the run was finished" in text for text in study.warnings)
    statuses = dict(study.cells.select("strategy", "status").iter_rows())
    assert statuses["FedAvg"] == "failed"


def test_a_lost_server_log_leaves_what_clients_tell(logs: Path, tmp_path: Path) -> None:
    folder, log = one_cell(logs, tmp_path, "FedAvgM", "2", "server_log.log")
    log.unlink()
    study = make_results("lost", read_tree(folder))
    assert any("server_log.log is missing" in text for text in study.warnings)
    used = study.clients.filter(pl.col("strategy") == "FedAvgM")
    assert used.height == 20


def test_rubbish_in_a_log_is_passed_over(logs: Path, tmp_path: Path, study: StudyResults) -> None:
    folder, log = one_cell(logs, tmp_path, "FedAvg", "2", "server_log.log")
    text = log.read_bytes()
    log.write_bytes(b"\xff\x00 rubbish\n" + text + b"Traceback (most recent call last):\n  x\n")
    found = make_results("rubbish", read_tree(folder))
    kept = study.rounds.filter((pl.col("backend") == "jax") & (pl.col("clients") == 2))
    wanted = kept.filter(pl.col("strategy") == "FedAvg")["score"]
    assert found.rounds.filter(pl.col("strategy") == "FedAvg")["score"].to_list() == (
        wanted.to_list()
    )


# The command


def test_the_command_saves_a_run_that_is_read_back(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "import", str(logs), "--dir", str(tmp_path), "--json"]
    assert main([*words, "--tidy", str(tmp_path / "t.csv")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (len(told["cells"]), told["tidy_rows"]) == (36, 5432)
    found = read_results(RunPlace(Path(told["folder"])))
    assert found.rounds.height == 396
    assert found.warnings == told["warnings"]
    assert main(words) == 2  # it is there already
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


def test_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="holds no logs"):
        import_study(tmp_path, results=tmp_path)
    with pytest.raises(NotFoundError, match="is no folder"):
        import_study(tmp_path / "none", results=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_ours_is_not_written_over(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "study.yaml").write_text("n_client_instances: [2]\n")
    with pytest.raises(OutputError, match="a run of its own"):
        import_study(logs, run="mine", results=tmp_path, overwrite=True)
