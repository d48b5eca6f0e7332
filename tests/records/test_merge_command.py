"""`fedloom merge` as a command: its flags, its one line, its speed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fedloom.cli.merge import _progress_bar, merge

app = typer.Typer()
app.command("merge")(merge)
run = CliRunner()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("x,y\n1,2\n1,2\n")


def test_a_line_of_summary() -> None:
    result = run.invoke(app, ["a.csv", "--dedupe", "--id-col", "n", "--start-id", "7"])
    assert result.exit_code == 0, result.output
    assert result.output == "merged.csv: 1 rows of 1 file, 1 duplicates left out\n"
    assert Path("merged.csv").read_text() == "x,y,n\n1,2,7\n"


def test_json_and_quiet() -> None:
    result = run.invoke(app, ["a.csv", "a.csv", "--output", "b.parquet", "--json"])
    assert json.loads(result.output) == {
        "output": "b.parquet",
        "rows": 4,
        "files": 2,
        "duplicates": 0,
    }
    assert run.invoke(app, ["a.csv", "--quiet"]).output == ""


def test_the_help_shows_examples() -> None:
    text = run.invoke(app, ["--help"]).output
    assert "outputs/runs/*.csv" in text
    for flag in ("--output", "--id-col", "--start-id", "--dedupe", "--json", "--quiet"):
        assert flag in text


@pytest.mark.parametrize(("size", "shown"), [(1, False), (100, True)])
def test_a_terminal_shows_the_progress_of_a_long_merge(
    size: int, shown: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("fedloom.cli.merge._LONG_BYTES", 50)
    with _progress_bar(shown=True) as progress:
        assert progress is not None
        progress(size // 2, size)
    captured = capfd.readouterr()
    assert ("merging" in captured.err) is shown
    assert captured.out == ""


PROGRAM = """
import sys, typer
from fedloom.cli.merge import merge
app = typer.Typer()
app.command()(merge)
try:
    app(standalone_mode=False)
finally:
    heavy = {"polars", "numpy", "keras", "jax"} & set(sys.modules)
    assert not heavy, heavy
"""


def test_a_small_merge_is_quick_and_imports_nothing_heavy() -> None:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", PROGRAM, "a.csv", "--dedupe"],
        check=True,
        timeout=30,
        stdout=subprocess.DEVNULL,
    )
    # A second is what is promised on a quiet machine; tests share theirs.
    assert time.perf_counter() - start < 20
