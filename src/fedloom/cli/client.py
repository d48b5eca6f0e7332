"""`fedloom client`: a node beside its data, and its owner's decisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from fedloom.cli.client_policy import policy

if TYPE_CHECKING:
    from fedloom.platform.client.config import NodeConfig

__all__ = ["audit", "check", "client", "example", "key", "run"]

ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The node's configuration; see fedloom client example."),
]

client = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    help="""Run a node beside its data, and decide what may run on it.

    A node connects to the platform and is never connected to. It runs what its owner's policy
    allows and nothing else, and writes down what came in, ran and left.

    For example:

    \b
      fedloom client example > node.yaml
      fedloom client check --config node.yaml
      fedloom client --config node.yaml
    """,
)
client.add_typer(policy, name="policy")


@client.callback()
def _client(context: typer.Context, config: ConfigFile = None) -> None:
    context.obj = config
    if context.invoked_subcommand is None:
        _run(config)


@client.command()
def run(context: typer.Context, config: ConfigFile = None) -> None:
    """Be a node until a signal comes; an outage of the platform is waited for.

    For example: fedloom client run --config node.yaml
    """
    _run(config or context.obj)


def _run(file: Path | None) -> None:
    from fedloom.platform.config.config import LogLevel
    from fedloom.platform.up.client import run_client
    from fedloom.platform.up.console import log_to_stderr

    config = _load(file)
    log_to_stderr(LogLevel.INFO)
    run_client(config, file=None if file is None else file.absolute())


def _load(file: Path | None) -> NodeConfig:
    """Read a node's configuration; without a file, FEDLOOM_CLIENT_CONFIG may name one."""
    import os

    from fedloom.platform.client.config import load_node_config

    named = os.environ.get("FEDLOOM_CLIENT_CONFIG")
    return load_node_config(file if file is not None or not named else Path(named))


@client.command()
def check(context: typer.Context, config: ConfigFile = None) -> None:
    """Look whether this node could work: configuration, data, policy, key, sandbox, SuperLink.

    Ends with code 1 if something fails.

    For example: fedloom client check --config node.yaml
    """
    from fedloom.platform.client.node_check import check_node

    fine = True
    for name, good, detail in check_node(_load(config or context.obj)):
        fine = fine and good
        typer.echo(f"{'ok' if good else 'failed':<8}{name:<16}{detail}")
    if not fine:
        raise typer.Exit(1)


@client.command()
def key(context: typer.Context, config: ConfigFile = None) -> None:
    """Print this node's public key, which an operator registers; make it on first use.

    For example: fedloom client key --config node.yaml > hospital-a.pem
    """
    from fedloom.fleet.flower.node.identity import Identity

    typer.echo(Identity.keep(_load(config or context.obj).key_path).public_pem.decode(), nl=False)


@client.command()
def audit(
    context: typer.Context,
    action: Annotated[
        str, typer.Argument(metavar="[show|verify]", help="Print it, or check that it is whole.")
    ] = "show",
    config: ConfigFile = None,
    seen: Annotated[
        str | None,
        typer.Option("--seen", help="With verify: a hash that was its last one once."),
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="With show: lines to print.")] = 50,
) -> None:
    """Print the end of the audit log, or check that nobody changed it.

    Ends with code 1 if it was changed.

    For example: fedloom client audit verify --config node.yaml
    """
    from fedloom.errors import UnknownNameError

    path = _load(config or context.obj).audit_path
    if action == "show":
        _show_audit(path, last)
    elif action == "verify":
        _verify_audit(path, seen)
    else:
        raise UnknownNameError("action", action, ["show", "verify"])


def _show_audit(path: Path, last: int) -> None:
    from collections import deque

    from fedloom.errors import NotFoundError
    from fedloom.platform.client.audit import list_audit_files

    lines: deque[str] = deque(maxlen=last)
    files = list_audit_files(path)
    if not files:
        raise NotFoundError(f"there is no audit log {path}")
    for file in files:
        lines.extend(file.read_text("utf-8", "replace").splitlines())
    for line in lines:
        typer.echo(line)


def _verify_audit(path: Path, seen: str | None) -> None:
    from fedloom.platform.client.audit_check import verify_audit

    report = verify_audit(path, seen=seen)
    if not report.intact:
        typer.echo(f"changed: {report.fault}")
        raise typer.Exit(1)
    reach = "" if report.complete else "; older ones were rotated away"
    typer.echo(f"intact: {report.entries} lines{reach}; last hash {report.head}")


@client.command()
def example() -> None:
    """Print a configuration to start from, with comments.

    For example: fedloom client example > node.yaml
    """
    from fedloom.platform.client.config import example_config

    typer.echo(example_config(), nl=False)
