"""`fedloom bench report`, from the folder of a run to a page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

import fedloom.bench.results
from fedloom.bench.places import RunPlace
from fedloom.bench.report import latest_run
from fedloom.bench.results import StudyResults, read_results, save_results
from fedloom.cli.bench_report import report
from fedloom.cli.program import main
from fedloom.errors import InputError, NotFoundError
from fedloom.page import picture

from .synthetic_study import make_study

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command in an empty working directory, where every run's folder holds a small study."""

    def read(place: RunPlace) -> StudyResults:
        return make_study(
            backends=("jax",), strategies=("FedAvg",), clients=(2,), rounds=2, name=place.path.name
        )

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fedloom.bench.results, "read_results", read)
    app = typer.Typer()
    app.command()(report)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def make_run(name: str, age_s: int = 0) -> Path:
    study = RunPlace(Path("federated-learning-results") / name).study
    study.parent.mkdir(parents=True)
    study.write_text("n_client_instances: [2]\n", encoding="utf-8")
    os.utime(study, (1_700_000_000 - age_s,) * 2)
    return study.parent


def test_the_latest_run_is_reported_into_its_folder(call: Call) -> None:
    make_run("older", age_s=60)
    latest = make_run("latest")
    make_run("oldest", age_s=120)

    done = call()

    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{latest}/report.html: 2.0 MB")
    assert "latest · 1 cell" in (latest / "report.html").read_text(encoding="utf-8")


def test_several_runs_stand_side_by_side_here(call: Call) -> None:
    one, two = make_run("one"), make_run("two")

    assert call(str(one), str(two), "--quiet").output == ""

    html = Path("study-report.html").read_text(encoding="utf-8")
    assert "jax (one) · FedAvg · 2" in html
    assert "jax (two) · FedAvg · 2" in html


def test_imported_logs_are_a_run(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fedloom.bench.results, "read_results", read_results)
    make_run("older")
    imported = Path("federated-learning-results") / "old-study"
    save_results(make_study(imported=True, rounds=2, name="old study"), imported)

    assert latest_run() == imported
    assert call().exit_code == 0

    html = (imported / "report.html").read_text(encoding="utf-8")
    assert "old study · 36 cells" in html
    assert "as recorded, not corrected" in html


def test_it_is_a_command_of_the_bench(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run("one")

    assert main(["bench", "report", str(run), "--quiet"]) == 0
    assert (run / "report.html").exists()
    assert main(["bench", "report", str(run), "--output", "a.csv"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_json_is_the_summary_table(call: Call) -> None:
    run = make_run("one")

    done = call(str(run), "--json", "--output", "page")

    said = json.loads(done.output)
    assert said["files"] == ["page.html"]
    (cell,) = said["studies"][0]["cells"]
    assert (cell["backend"], cell["strategy"], cell["clients"]) == ("jax", "FedAvg", 2)
    assert cell["measures"]["final_score"]["half_width"] is None
    assert cell["limit"] == "compute"
    assert said["studies"][0]["confidence"] == 0.95


def test_a_table_is_never_replaced_by_a_page(call: Call) -> None:
    done = call(str(make_run("one")), "--output", "records.csv")

    assert isinstance(done.exception, InputError)
    assert "ends in .html" in str(done.exception)


def test_without_a_run_it_says_what_to_do(call: Call) -> None:
    done = call()

    assert isinstance(done.exception, NotFoundError)
    assert "start one with `fedloom bench`" in str(done.exception)
    Path("federated-learning-results/rubbish").mkdir(parents=True)
    with pytest.raises(NotFoundError):
        latest_run()


def test_without_chromium_the_page_is_still_written(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("one")
    monkeypatch.setattr(picture, "PROGRAMS", ("no-such-browser",))
    monkeypatch.delenv("FEDLOOM_CHROMIUM", raising=False)

    done = call(str(run), "--png")

    assert isinstance(done.exception, picture.MissingProgramError)
    assert (run / "report.html").exists()
    assert "report.html: 2.0 MB" in done.output
