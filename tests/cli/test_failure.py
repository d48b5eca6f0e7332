from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import click
import pytest
import typer

from fedloom.cli import main
from fedloom.errors import InputError, RunFailedError, UnknownNameError

Register = Callable[[Callable[..., Any]], None]


def raising(error: BaseException) -> Callable[[], None]:
    def sample() -> None:
        raise error

    return sample


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("rounds is 0: at least 1"), 2, "fedloom: error: rounds is 0: at least 1"),
        (RunFailedError("every client failed"), 1, "fedloom: error: every client failed"),
        (InputError("two\n  lines"), 2, "fedloom: error: two lines"),
        (KeyboardInterrupt(), 130, "fedloom: interrupted"),
        (click.Abort(), 130, "fedloom: interrupted"),
        (
            ModuleNotFoundError("No module named 'keras'", name="keras.src"),
            1,
            "fedloom: error: the Python module 'keras.src' is not installed; see 'fedloom doctor'",
        ),
    ],
)
def test_an_error_is_one_line_and_a_code(
    error: BaseException,
    code: int,
    line: str,
    sample_command: Register,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sample_command(raising(error))
    assert main(["sample"]) == code
    captured = capsys.readouterr()
    assert captured.err == f"{line}\n"
    assert captured.out == ""


def test_an_unknown_name_carries_the_nearest_one(
    sample_command: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    sample_command(raising(UnknownNameError("algorithm", "fedavgg", ["FedAvg", "FedProx"])))
    assert main(["sample"]) == 2
    assert "did you mean 'FedAvg'?" in capsys.readouterr().err


def test_a_wrong_command_of_a_group_is_answered_with_one_suggestion(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (["task", "document"], ["client", "policy", "alow"]):
        assert main(words) == 2
        assert capsys.readouterr().err.count("Did you mean") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sampel"], "no such command 'sampel'. Did you mean 'sample'? See 'fedloom --help'."),
        (["sample", "--clinets", "3"], "Did you mean '--clients'? See 'fedloom sample --help'."),
        (["sample", "--clients", "many"], "invalid value for '--clients': 'many' is not a valid"),
        (["sample", "--clients"], "requires an argument"),
        (["sample", "more"], "unexpected extra argument"),
    ],
)
def test_a_usage_error_is_one_line_that_says_where_to_look(
    arguments: list[str],
    words: str,
    sample_command: Register,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def sample(clients: Annotated[int, typer.Option()] = 20) -> None:
        pytest.fail(f"ran with {clients}")

    sample_command(sample)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.startswith("fedloom: error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_bug_leaves_its_traceback_in_a_file(
    sample_command: Register,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("FEDLOOM_DEBUG", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sample_command(raising(ZeroDivisionError("by zero")))
    assert main(["sample"]) == 70
    (kept,) = tmp_path.iterdir()
    assert "Traceback" in kept.read_text()
    assert capsys.readouterr().err == (
        f"fedloom: internal error: ZeroDivisionError: by zero; please report it with {kept}\n"
    )


def test_a_bug_shows_its_traceback_when_asked_or_when_no_file_can_hold_it(
    sample_command: Register,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    sample_command(raising(ZeroDivisionError("by zero")))
    monkeypatch.setenv("FEDLOOM_DEBUG", "1")
    assert main(["sample"]) == 70
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.delenv("FEDLOOM_DEBUG")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert main(["sample"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_broken_pipe_to_something_else_is_a_bug(
    sample_command: Register, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDLOOM_DEBUG", "1")
    sample_command(raising(BrokenPipeError("a worker is gone")))
    assert main(["sample"]) == 70
    assert "a worker is gone" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", ["--help", "--version", "doctor", "doctor --json"])
def test_a_closed_pipe_ends_quietly(arguments: str) -> None:
    shell = f"set -o pipefail; {sys.executable} -m fedloom {arguments} | true"
    ended = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60)
    assert ended.stderr == ""
    assert ended.returncode in (0, 1)  # 0 where all was written before the reader left
