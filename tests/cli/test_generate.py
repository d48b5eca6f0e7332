"""`fedloom generate`: what it prints, in which form, and how its flags are made."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from fedloom.cli import main, program
from fedloom.experiment.plan import Plan

pytestmark = pytest.mark.usefixtures("compiled_once", "_own_folder")

TINY = "--dataset iris --model logistic --clients 3 --rounds 2 --epochs 1".split()


@pytest.fixture
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FEDLOOM_OUTPUT_DIR", raising=False)
    monkeypatch.chdir(tmp_path)


def generate_json(capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, Any]:
    assert main(["generate", *TINY, "--json", *flags]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    found: dict[str, Any] = json.loads(captured.out)
    return found


def test_people_see_a_line_per_round_and_where_the_records_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["generate", *TINY]) == 0
    captured = capsys.readouterr()
    assert re.fullmatch(r"(round [12]/2: score 0\.\d{4}\n){2}", captured.err)
    summary, *rest = captured.out.splitlines()
    assert re.fullmatch(r"2 rounds, score 0\.\d{4}, loss \d\.\d{4}, \d+\.\d s of training", summary)
    table = Path.cwd() / "outputs/runs/clients.csv"
    assert rest == [
        f"records  {table}",
        f"folder   {table.with_suffix('')}",
        f"report   fedloom report {table}",
    ]
    assert table.is_file()


def test_failures_are_counted_as_they_happen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", *TINY, "--clients", "9", "--dropout", "0.5"]) == 0
    assert re.search(r"round 1/2: score 0\.\d{4}, \d failed\n", capsys.readouterr().err)


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    found = generate_json(capsys, "--output", "a b")
    assert found["rounds"] == 2
    assert found["output"] == str(Path.cwd() / "outputs/runs/a b.csv")
    assert found["started_after"] == 0
    assert 0 < found["global_score"] <= 1
    assert found["epsilon"] is None


def test_json_knows_no_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--algorithm", "DPFedAvg", "--noise-multiplier", "0"]
    assert generate_json(capsys, *flags)["epsilon"] is None


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", *TINY, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_finished_run_is_said_to_be_finished(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", *TINY, "--quiet"]) == 0
    assert main(["generate", *TINY, "--resume"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith(f"{Path.cwd()}/outputs/runs/clients.csv was finished already")


def test_flags_come_before_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("rounds: 3\nclients: 2\noutput: mine\n")
    flags = ["--dataset", "iris", "--model", "logistic", "--epochs", "1", "--json"]
    assert main(["generate", "--plan", "mine.yaml", "--clients", "4", *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rounds"], Path(found["output"]).name) == (3, "mine.csv")
    rows = Path("outputs/runs/mine.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 4


def test_the_names_of_the_original_s_flags(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--strategy", "dirichlet", "--distribution-param", "0.9", "--output", "m1"]
    generate_json(capsys, *flags)
    _, first, *_ = Path("outputs/runs/m1.csv").read_text().splitlines()
    assert ",dirichlet,0.9," in first


def test_no_command_means_generate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--quiet", "--output", "x"]) == 0
    assert Path("outputs/runs/x.csv").is_file()


def test_the_environment_names_the_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDLOOM_OUTPUT_DIR", "elsewhere")
    assert generate_json(capsys)["output"] == str(Path.cwd() / "elsewhere/runs/clients.csv")


# Flags


def generate_command() -> click.Command:
    group = typer.main.get_command(program.app)
    assert isinstance(group, click.Group)
    _, command, _ = group.resolve_command(click.Context(group), ["generate"])
    assert command is not None
    return command


def test_every_field_of_a_plan_is_a_flag_of_the_same_name_with_help() -> None:
    flags = {p.opts[0]: p for p in generate_command().params if isinstance(p, click.Option)}
    for name, field in Plan.model_fields.items():
        option = flags["--" + name.replace("_", "-")]
        assert option.name == name
        assert option.help is not None
        assert option.help.startswith(field.description or "?")
    own = {"--plan", "--overwrite", "--resume", "--quiet", "--json", "--help"}
    assert set(flags) - own == {"--" + name.replace("_", "-") for name in Plan.model_fields}


@pytest.mark.parametrize("width", [80, 120])
def test_the_help_fits_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["generate", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= width
    text = "\n".join(line.rstrip() for line in lines)
    assert "   fedloom generate --clients 5 --output clients.csv\n" in text
    assert "--plan outputs/runs/adam/plan.yaml --output again.csv\n" in text


@pytest.mark.parametrize(
    ("flag", "typed", "completed"),
    [
        ("algorithm", "FedA", ["FedAvg", "FedAvgM", "FedAdagrad", "FedAdam"]),
        ("model", "ml", ["mlp"]),
        ("fleet", "", ["simulated", "process", "ray"]),
        ("dataset", "fash", ["fashion_mnist"]),
    ],
)
def test_values_are_completed(flag: str, typed: str, completed: list[str]) -> None:
    command = generate_command()
    option = next(p for p in command.params if p.name == flag)
    items = option.shell_complete(click.Context(command), typed)
    assert [item.value for item in items] == completed


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--learning-rate", "-1"], "--learning-rate=-1.0: input should be greater than 0"),
        (["--distribution-param", "-1"], "--partition-param=-1.0: "),
        (["--clients", "many"], "invalid value for '--clients': 'many' is not a valid int"),
        (["--hidden", "a"], "--hidden='a': widths such as 128,64 would be right"),
        (["--client", "3"], "No such option"),
    ],
)
def test_a_wrong_value_is_called_by_its_flag(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", *flags]) == 2
    assert words.casefold() in capsys.readouterr().err.casefold()


def test_a_wrong_value_of_a_plan_file_keeps_its_key(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("learning_rate: -1\n")
    assert main(["generate", "--plan", "mine.yaml"]) == 2
    assert "fedloom: error: learning_rate=-1: " in capsys.readouterr().err


# A terminal


def test_a_terminal_shows_a_bar_with_round_score_and_seconds_left() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fedloom", "generate", *TINY, "--rounds", "40"],
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with process:
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            shown += part
            if not part:
                break
        assert process.wait(timeout=60) == 0
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"round \d+/40: score 0\.\d{4} .*━.* 0:00:0\d", text)
