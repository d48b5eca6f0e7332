"""`fedloom package`: make, look into, try, pack, sign and push packages."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from fedloom.cli.package_push import push
from fedloom.cli.package_sign import make, sign

if TYPE_CHECKING:
    from fedloom.package.check import CheckStep
    from fedloom.package.inspect import PackageReport

__all__ = ["check", "create", "env", "init", "inspect", "package", "schema"]

package = typer.Typer(
    add_completion=False,
    help="""Make, look into, try, pack, sign and push packages: training code in any framework.

    A package is a folder with a project file (fedloom.yaml, scaleout.yaml or fedn.yaml) that names
    up to five commands: build, startup, train, validate, predict.

    For example:

    \b
      fedloom package init my-project --template pytorch
      fedloom package check --path my-project/client
      fedloom package create --path my-project/client
      fedloom package push my-project/client --name mine
    """,
)
package.command()(push)
package.command("key")(make)
package.command()(sign)

Folder: TypeAlias = Annotated[
    Path, typer.Option("--path", "-p", help="The package's folder.", show_default="this folder")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Offline: TypeAlias = Annotated[
    bool, typer.Option("--offline", help="Make the environment without the network.")
]


@package.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="PATH", help="Folder to make.")],
    template: Annotated[
        str, typer.Option("--template", "-t", help="pytorch, keras, sklearn or iris.")
    ] = "pytorch",
    as_json: AsJson = False,
) -> None:
    """Make a project that runs as it is, to start from.

    For example: fedloom package init my-project --template sklearn
    """
    from fedloom.package.template import copy_template

    files = copy_template(template, folder)
    if as_json:
        _print_json({"path": str(folder), "template": template, "files": [str(f) for f in files]})
        return
    typer.echo(f"{folder}: {len(files)} files from the template {template}")
    typer.echo(f"next: fedloom package check --path {folder / 'client'}")


@package.command()
def create(
    path: Folder = Path(),
    name: Annotated[str, typer.Option("--name", "-n", help="Name of the archive.")] = "package.tgz",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the archive, or the archive itself.",
            show_default="this folder",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pack a package into an archive; equal files give equal bytes.

    What .ignore, .scaleoutignore and .fednignore name stays out.

    For example: fedloom package create --path client --output dist/
    """
    from fedloom.package.archive import create_archive

    archive = create_archive(path, _choose_output(output, name))
    if as_json:
        _print_json(
            {
                "path": str(archive.path),
                "size_bytes": archive.size_bytes,
                "sha256": archive.sha256,
                "files": [file.name for file in archive.files],
            }
        )
        return
    typer.echo(f"{archive.path}: {archive.size_bytes:,} bytes, {len(archive.files)} files")
    typer.echo(f"sha256: {archive.sha256}")


def _choose_output(output: Path | None, name: str) -> Path:
    if output is None:
        return Path(name)
    return output / name if output.is_dir() or not output.suffix else output


@package.command()
def inspect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A package's folder or archive.")],
    as_json: AsJson = False,
) -> None:
    """Say what a package holds, without running anything of it.

    For example: fedloom package inspect package.tgz
    """
    from fedloom.package.inspect import inspect_package

    report = inspect_package(path)
    if as_json:
        _print_json(_list_report(report))
        return
    typer.echo(f"{report.path}: {len(report.files)} files, {report.size_bytes:,} bytes")
    typer.echo(f"sha256: {report.sha256}")
    typer.echo(f"project file: {report.project_file}")
    width = max(len(name) for name in report.entry_points)
    for name, command in report.entry_points.items():
        typer.echo(f"  {name:<{width}}  {command}")
    wanted = report.environment.dependencies if report.environment else ()
    typer.echo(f"environment: {', '.join(wanted) if report.environment else 'the current one'}")
    for file in report.files:
        typer.echo(f"  {file.size_bytes:>13,}  {file.name}")
    for left_out in report.left_out:
        typer.echo(f"  left out       {left_out}")
    for warning in report.warnings:
        typer.echo(f"warning: {warning}")


def _list_report(report: PackageReport) -> dict[str, Any]:
    environment = report.environment
    return {
        "path": str(report.path),
        "is_archive": report.is_archive,
        "sha256": report.sha256,
        "size_bytes": report.size_bytes,
        "project_file": report.project_file,
        "entry_points": dict(report.entry_points),
        "dependencies": None if environment is None else list(environment.dependencies),
        "files": {file.name: file.size_bytes for file in report.files},
        "left_out": list(report.left_out),
        "warnings": list(report.warnings),
    }


@package.command()
def check(
    path: Folder = Path(),
    seed: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="Model to train on.", show_default="what build writes"),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds for each entry point.", show_default="no limit"),
    ] = None,
    offline: Offline = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show what the entry points print.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a package's whole contract once and say what fails.

    That is: project file, environment, build, startup, train on the seed model, validate, predict.
    They run in the package's folder: build replaces the seed model, startup may fetch data.
    Ends with code 1 if anything failed.

    For example: fedloom package check --path client --timeout 600
    """
    from fedloom.cli.signals import end_like_interrupt
    from fedloom.package.check import StepState, check_package

    steps = []
    with end_like_interrupt():
        for step in check_package(
            path,
            seed=seed,
            offline=offline,
            timeout_s=timeout,
            on_output=_say if verbose else None,
        ):
            steps.append(step)
            if not as_json:
                _print_step(step)
    failed = any(step.state is StepState.FAILED for step in steps)
    if as_json:
        from dataclasses import asdict

        _print_json({"ok": not failed, "steps": [asdict(step) for step in steps]})
    if failed:
        raise typer.Exit(1)


def _print_step(step: CheckStep) -> None:
    """Print a row of the table, and beneath it what helps to mend it."""
    took = f"{step.seconds:.1f} s" if step.seconds else ""
    detail = " ".join(step.detail.split())
    typer.echo(f"{step.state:<8}{step.name:<14}{took:>9}  {detail}".rstrip())
    for line in (*step.tail, *(f"warning: {warning}" for warning in step.warnings)):
        typer.echo(f"        | {line}")


@package.command()
def schema() -> None:
    """Print the JSON Schema of the project file, for editors and other programs.

    For example: fedloom package schema > fedloom.schema.json
    """
    from fedloom.package.schema import render_schema

    typer.echo(render_schema(), nl=False)


@package.command()
def env(path: Folder = Path(), offline: Offline = False, as_json: AsJson = False) -> None:
    """Make a package's environment, unless it is there, and name it.

    With it activated, scripts run by hand as they do for a client.

    For example: fedloom package env --path client
    """
    from fedloom.package.environment import describe_environment, prepare_environment
    from fedloom.package.project import read_project

    environment = prepare_environment(read_project(path), offline=offline, on_line=_say)
    if as_json:
        folder = environment.folder
        _print_json(
            {
                "python": str(environment.python),
                "folder": None if folder is None else str(folder),
                "created": environment.created,
            }
        )
        return
    typer.echo(describe_environment(environment))


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2))


def _say(line: str) -> None:
    """Show progress where it does not mix with results."""
    print(f"fedloom: {line}", file=sys.stderr, flush=True)
