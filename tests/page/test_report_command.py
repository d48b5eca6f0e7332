"""`fedloom report`, from files to a page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from fedloom.cli.program import main

from .synthetic_runs import make_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two runs as `generate` leaves them."""
    monkeypatch.chdir(tmp_path)
    folder = Path("outputs/runs")
    for name, seed in (("one", 1), ("two", 2)):
        run = make_run(clients=10, rounds=2, seed=seed)
        (folder / name).mkdir(parents=True)
        run.clients.write_csv(folder / f"{name}.csv")
        run.rounds.write_csv(folder / name / "rounds.csv")
        run.clients.write_parquet(folder / name / "clients.parquet")
        run.rounds.write_parquet(folder / name / "rounds.parquet")
    return folder


def test_the_report_of_a_run_goes_into_its_folder(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(runs / "one.csv")]) == 0

    page = runs / "one" / "report.html"
    assert capsys.readouterr().out == "outputs/runs/one/report.html: 2.0 MB\n"
    html = page.read_text(encoding="utf-8")
    assert "fashion_mnist · cnn · FedAvg" in html
    assert "Update norm" in html  # which only the rounds know


def test_a_folder_gives_the_same_page_as_its_table(runs: Path) -> None:
    assert main(["report", str(runs / "one.csv"), "--output", "table.html"]) == 0
    assert main(["report", str(runs / "one"), "--output", "folder"]) == 0
    assert main(["report", str(runs / "one" / "clients.parquet"), "--output", "inside"]) == 0

    pages = {Path(f"{name}.html").read_bytes() for name in ("table", "folder", "inside")}
    assert len(pages) == 1


def test_several_runs_go_into_one_page_here(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs / "one.csv"), str(runs / "two"), "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert (said["output"], said["png"], said["runs"]) == ("report.html", None, ["one", "two"])
    assert said["bytes"] == Path("report.html").stat().st_size


def test_a_merged_table_is_overlaid_and_lies_beside_it(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = [pl.read_csv(runs / f"{name}.csv") for name in ("one", "two")]
    pl.concat(tables).write_csv("merged.csv")

    assert main(["report", "merged.csv", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["output"] == "merged.report.html"
    assert said["runs"] == ["merged 00019f3c", "merged 00029f3c"]


def test_a_table_of_the_original_is_shown(tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    old.write_text(
        "run_id,round,client_id,dataset,task_type,model_type,participated,round_fail_reason,"
        "distribution_type,distribution_param,data_Distribution,samples_count,Computation_Time,"
        "quality_Factor,reliability_Score\n"
        'u,1,client_1,mnist,classification,CNN,True,,iid,,"{0: 5, 1: 3}",8,0.5,0.75,0.8\n'
        'u,1,client_2,mnist,classification,CNN,False,error,iid,,"{0: 1, 1: 9}",10,0.1,,0.8\n',
        encoding="utf-8",
    )

    assert main(["report", str(old), "--quiet"]) == 0
    html = (tmp_path / "old.report.html").read_text(encoding="utf-8")
    assert "mnist · CNN" in html
    assert "Error (1)" in html
    assert "75.0 %" in html


def test_a_report_never_replaces_a_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = runs / "one.csv"
    before = table.read_bytes()

    assert main(["report", str(table), "--output", str(table)]) == 2
    assert "its name ends in .html" in capsys.readouterr().err
    assert table.read_bytes() == before


def test_a_missing_run_is_one_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "outputs/runs/three.csv"]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "outputs/runs/three.csv" in lines[0]


def test_without_a_browser_the_page_is_there_and_the_exit_code_is_2(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDLOOM_CHROMIUM", "/nowhere/chrome")

    assert main(["report", str(runs / "one.csv"), "--png"]) == 2
    said = capsys.readouterr()
    assert said.out == "outputs/runs/one/report.html: 2.0 MB\n"
    assert "FEDLOOM_CHROMIUM='/nowhere/chrome' is not a program" in said.err
    assert (runs / "one" / "report.html").is_file()


def test_the_command_is_cheap_to_import() -> None:
    code = (
        "import sys, fedloom.cli.report, fedloom.page;"
        "print([m for m in ('polars', 'plotly', 'numpy', 'jax', 'keras') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "[]\n", ended.stderr
