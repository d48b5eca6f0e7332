"""`fedloom run`: one entry point of a package, as a client would run it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["build", "predict", "run", "startup", "train", "validate"]

run = typer.Typer(
    add_completion=False,
    help="""Run one entry point of a package, as a client would run it.

    It runs in the package's folder with the package's environment, which is made once and kept.
    What it prints is shown as it comes. Ctrl-C stops it together with all that it started.

    For example:

    \b
      fedloom run build --path client
      fedloom run startup --path client
      fedloom run train --path client --input seed.npz --output model_update.npz
      fedloom run validate --path client --input model_update.npz --output validation.json
    """,
)

Folder: TypeAlias = Annotated[
    Path, typer.Option("--path", "-p", help="The package's folder.", show_default="this folder")
]
Model: TypeAlias = Annotated[
    Path, typer.Option("--input", "-i", help="Model file to give to it.", show_default=False)
]
Update: TypeAlias = Annotated[
    Path,
    typer.Option("--output", "-o", help="Where it is to write the updated model, an .npz file."),
]
Metrics: TypeAlias = Annotated[
    Path, typer.Option("--output", "-o", help="Where it is to write its JSON file.")
]
KeepVenv: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--keep-venv", "-v", help="Changes nothing: environments are always kept for the next call."
    ),
]
Timeout: TypeAlias = Annotated[
    float | None,
    typer.Option(min=0.0, help="Seconds after which it is stopped.", show_default="no limit"),
]
Cold: TypeAlias = Annotated[
    bool,
    typer.Option("--cold", help="Start a new Python, which a single call does in any case."),
]
Offline: TypeAlias = Annotated[
    bool, typer.Option("--offline", help="Make the environment without the network.")
]


@run.command()
def build(
    path: Folder = Path(),
    _keep_venv: KeepVenv = False,
    timeout: Timeout = None,
    _cold: Cold = False,
    offline: Offline = False,
) -> None:
    """Build: write the seed model, by convention seed.npz beside the package's folder.

    For example: fedloom run build --path client
    """
    _run("build", path, timeout, offline)


@run.command()
def startup(
    path: Folder = Path(),
    _keep_venv: KeepVenv = False,
    timeout: Timeout = None,
    _cold: Cold = False,
    offline: Offline = False,
) -> None:
    """Startup: what a client does once, such as fetching data.

    For example: fedloom run startup --path client
    """
    _run("startup", path, timeout, offline)


@run.command()
def train(
    model: Model,
    output: Update,
    path: Folder = Path(),
    _keep_venv: KeepVenv = False,
    timeout: Timeout = None,
    _cold: Cold = False,
    offline: Offline = False,
) -> None:
    """Train: turn a model into an updated one, and say on how many examples.

    Writes INPUT-metadata, an empty JSON object, if it is not there, and checks OUTPUT and
    OUTPUT-metadata afterwards.

    For example: fedloom run train --path client --input seed.npz --output model_update.npz
    """
    _run("train", path, timeout, offline, model, output)


@run.command()
def validate(
    model: Model,
    output: Metrics,
    path: Folder = Path(),
    _keep_venv: KeepVenv = False,
    timeout: Timeout = None,
    _cold: Cold = False,
    offline: Offline = False,
) -> None:
    """Validate: turn a model into metrics, a JSON file.

    For example: fedloom run validate --path client --input model_update.npz --output metrics.json
    """
    _run("validate", path, timeout, offline, model, output)


@run.command()
def predict(
    model: Model,
    output: Metrics,
    path: Folder = Path(),
    _keep_venv: KeepVenv = False,
    timeout: Timeout = None,
    _cold: Cold = False,
    offline: Offline = False,
) -> None:
    """Predict: turn a model into predictions, a JSON file.

    For example: fedloom run predict --path client --input model_update.npz --output out.json
    """
    _run("predict", path, timeout, offline, model, output)


def _run(
    name: str,
    folder: Path,
    timeout_s: float | None,
    offline: bool,
    model: Path | None = None,
    output: Path | None = None,
) -> None:
    """Run an entry point, show what it prints, and say what it left."""
    from fedloom.cli.signals import end_like_interrupt
    from fedloom.package.environment import prepare_environment
    from fedloom.package.project import read_project
    from fedloom.package.trial import try_entry_point

    project = read_project(folder)
    for warning in project.warnings:
        _say(f"warning: {warning}")
    project.require(name)
    with end_like_interrupt():
        environment = prepare_environment(project, offline=offline, on_line=_say)
        trial = try_entry_point(
            project,
            name,
            environment,
            model=model,
            output=output,
            timeout_s=timeout_s,
            on_output=_show,
        )
    for warning in trial.warnings:
        _say(f"warning: {warning}")
    _say(trial.finished.explain() + (f"; {trial.left}" if trial.left else ""))


def _show(line: str) -> None:
    print(line, flush=True)


def _say(line: str) -> None:
    """Say something of Fedloom's own, where it does not mix with the script's output."""
    print(f"fedloom: {line}", file=sys.stderr, flush=True)
