"""The program `fedloom`: its commands, and how each call of it begins and ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import click
import typer
from typer.core import TyperCommand, TyperGroup

from fedloom._version import __version__
from fedloom.cli.failure import report_failure

__all__ = ["COMMANDS", "LazyGroup", "app", "complete_arguments", "main"]

COMMANDS = {
    "generate": "Run a federated experiment: train clients, write records and weights.",
    "bench": "Compare backends, strategies and numbers of clients, here or on EC2.",
    "partition": "Show who would hold which rows, without training.",
    "merge": "Join tables of records into one.",
    "report": "Make one HTML page of plots from runs.",
    "run": "Run one entry point of a package: build, startup, train, validate, predict.",
    "package": "Make, look into, try and pack packages: training code in any framework.",
    "workload": "Make, describe, import and export sequences of AI requests.",
    "schedule": "Simulate scheduling policies on a workload and a cluster, side by side.",
    "up": "Start a whole platform on this machine: API, page, coordinator and clients.",
    "api": "Serve the API and the page.",
    "server": "Run the coordinator, its SuperLink and the gateway that nodes connect to.",
    "superlink": "Run a SuperLink by itself, for a coordinator that starts none.",
    "client": "Run a node beside its data, and decide what may run on it.",
    "task": "Start, watch, cancel and export tasks of a platform.",
    "node": "List, look at, register and remove the nodes of a platform.",
    "model": "List models and versions, their lineage, and download them.",
    "token": "List, grant and revoke tokens of a platform.",
    "certs": "Make a certificate authority and certificates for TLS.",
    "config": "Show the settings of the platform's parts and where each came from.",
    "doctor": "Check this machine: what is there, what is missing, how to get it.",
}
"""Commands in the order of the help. Command NAME is the function NAME of `fedloom.cli.NAME`, or
its Typer of that name, which has commands of its own."""

# The program whose records Fedloom replaces took flags without a command to mean `generate`.
ASSUMED_COMMAND = "generate"

HELP_FLAGS = ("--help", "-h")

EPILOG = (
    "Exit codes: 0 done; 1 the run failed, or something required is missing; "
    "2 the request is wrong; 70 a bug in Fedloom; 130 interrupted."
)


class LazyGroup(TyperGroup):
    """A group that lists its commands from `COMMANDS` and imports only the one that is called."""

    def __init__(self, **settings: Any) -> None:
        # click itself names the nearest command; Typer would name it once more.
        super().__init__(**settings | {"suggest_commands": False})
        for name, summary in COMMANDS.items():
            self.add_command(TyperCommand(name, help=summary))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` begins with, imported, and the arguments left for it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name in COMMANDS else command, rest

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; whatever it raises becomes the program's exit code."""
        try:
            super().invoke(ctx)
        except (click.exceptions.Exit, click.UsageError):
            raise
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - where all errors end
            ctx.exit(report_failure(error))


def _load(name: str) -> click.Command:
    """Import a command's module and turn its function, or its Typer, into a command."""
    content = getattr(import_module(f"fedloom.cli.{name}"), name)
    if isinstance(content, typer.Typer):
        group = typer.main.get_command(content)
        group.name = name
        _leave_suggestions_to_click(group)
        return group
    single = typer.Typer(add_completion=False)
    single.command(name, short_help=COMMANDS[name])(content)
    return typer.main.get_command(single)


def _leave_suggestions_to_click(command: click.Command) -> None:
    """Keep a group and the groups in it from naming the nearest command a second time."""
    if isinstance(command, TyperGroup):
        command.suggest_commands = False
        for inner in command.commands.values():
            _leave_suggestions_to_click(inner)


app = typer.Typer(
    cls=LazyGroup,
    name="fedloom",
    epilog=EPILOG,
    context_settings={"help_option_names": list(HELP_FLAGS)},
)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"fedloom {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Federated learning from the first experiment to a fleet of real clients."""


def complete_arguments(group: click.Command, arguments: Sequence[str]) -> list[str]:
    """Say what was left unsaid: nothing asks for help, a flag of no command means `generate`."""
    if not arguments:
        return ["--help"]
    own_flags = {*HELP_FLAGS, *(flag for parameter in group.params for flag in parameter.opts)}
    flag = arguments[0].partition("=")[0]
    assumed = flag.startswith("-") and flag not in own_flags
    return [*([ASSUMED_COMMAND] if assumed else []), *arguments]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: what follows the program's name; taken from `sys.argv` when None.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name that the terminal cannot spell
    group = typer.main.get_command(app)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = group.main(
            complete_arguments(group, given), prog_name="fedloom", standalone_mode=False
        )
        sys.stdout.flush()  # a closed pipe shows here at the latest
    except (click.ClickException, KeyboardInterrupt, BrokenPipeError) as error:
        return report_failure(error)
    return code if isinstance(code, int) else 0
