from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any

import click
import pytest
import typer

from fedloom import __main__ as module_entry
from fedloom._version import __version__
from fedloom.cli import main, program

Register = Callable[[Callable[..., Any]], None]

# Seconds of import each; no command may load one before it is needed.
HEAVY = {"keras", "jax", "polars", "plotly", "sklearn", "scipy", "optax", "torch", "tensorflow"}


def loaded_by(*arguments: str) -> set[str]:
    """Return the top-level modules that one command line imports, in a fresh interpreter."""
    code = (
        "import json, sys; from fedloom.cli import main; assert main(sys.argv[1:]) == 0;"
        "print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    return set(json.loads(output.splitlines()[-1]))


def test_nothing_asks_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in program.COMMANDS)
    assert "Exit codes" in out


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command_without_importing_one(
    flag: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "import_module", lambda name: pytest.fail(f"imported {name}"))
    assert main([flag]) == 0
    out = capsys.readouterr().out
    assert all(f" {name} " in out for name in program.COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fedloom {__version__}\n"


def test_python_m_fedloom_is_the_same_program() -> None:
    assert module_entry.main is main
    ended = subprocess.run(
        [sys.executable, "-m", "fedloom", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (0, f"fedloom {__version__}\n")


def test_only_the_called_command_is_imported(sample_command: Register) -> None:
    called = []
    sample_command(lambda: called.append("sample"))
    assert main(["sample"]) == 0
    assert called == ["sample"]


def test_a_flag_without_a_command_means_generate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def generate(clients: Annotated[int, typer.Option()] = 20) -> None:
        print("clients", clients)

    monkeypatch.setattr(
        program, "_load", lambda name: typer.main.get_command(single(name, generate))
    )
    assert main(["--clients", "5"]) == 0
    assert main(["--clients=6"]) == 0
    assert main(["generate", "--clients", "7"]) == 0
    assert capsys.readouterr().out.split() == ["clients", "5", "clients", "6", "clients", "7"]


def single(name: str, function: Callable[..., Any]) -> typer.Typer:
    assert name == "generate"
    wrapped = typer.Typer(add_completion=False)
    wrapped.command()(function)
    return wrapped


def test_what_a_command_returns_is_no_exit_code(sample_command: Register) -> None:
    sample_command(lambda: 3)
    assert main(["sample"]) == 0


def test_completion_lists_commands() -> None:
    env = os.environ | {
        "_FEDLOOM_COMPLETE": "complete_bash",
        "COMP_WORDS": "fedloom ge",
        "COMP_CWORD": "1",
    }
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; from fedloom.cli import main; sys.exit(main())"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stdout.split() == ["generate"]


@pytest.mark.parametrize("name", program.COMMANDS)
def test_every_command_exists_and_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = program._load(name)
    assert command.help
    inner = command.commands if isinstance(command, click.Group) else {}
    for words in ([name], *([name, sub] for sub in inner)):
        assert main([*words, "--help"]) == 0
        assert " ".join(["fedloom", *words]) in capsys.readouterr().out
    assert all(sub.help for sub in inner.values())


def test_import_fedloom_is_light() -> None:
    code = "import sys, json, fedloom; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert not {name.partition(".")[0] for name in json.loads(output)} & (HEAVY | {"numpy"})


@pytest.mark.parametrize(
    "arguments", [["--help"], ["doctor"], *([name, "--help"] for name in program.COMMANDS)]
)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded_by(*arguments) & HEAVY
