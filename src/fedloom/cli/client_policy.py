"""`fedloom client policy`: what may run at a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from fedloom.platform.client.policy_file import PolicyFile

__all__ = ["allow", "approve", "ask", "deny", "edit", "pending", "policy", "refuse", "show"]

ConfigFile: TypeAlias = Annotated[
    Path | None, typer.Option("--config", "-c", help="The node's configuration.")
]
Code: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="[CODE]",
        help="A package's name or SHA-256, a signer's key (ed25519:…), or model:NAME.",
        show_default="all code that is not named",
    ),
]
Pending: TypeAlias = Annotated[
    str, typer.Argument(metavar="KEY", help="What pending lists, or its beginning.")
]

policy = typer.Typer(
    add_completion=False,
    help="""Decide what may run at a node; a running node heeds it at once.

    Without a policy nothing runs.

    For example:

    \b
      fedloom client policy ask --config node.yaml
      fedloom client policy pending --config node.yaml
      fedloom client policy approve 0f343b09 --config node.yaml
    """,
)


def _open(context: typer.Context, file: Path | None) -> PolicyFile:
    from fedloom.platform.client.config import load_node_config
    from fedloom.platform.client.policy_file import PolicyFile

    return PolicyFile(load_node_config(file or _find_file(context)).policy_path)


def _find_file(context: typer.Context) -> Path | None:
    """Return the file that stands before the words ``policy …``."""
    import os

    parent = context.parent.parent if context.parent else None
    given = parent.obj if parent is not None else None
    named = os.environ.get("FEDLOOM_CLIENT_CONFIG")
    return given if isinstance(given, Path) else Path(named) if named else None


@policy.command()
def show(context: typer.Context, config: ConfigFile = None) -> None:
    """Print the whole policy with its defaults, and what the owner said of single packages."""
    import yaml

    file = _open(context, config)
    document = file.policy.model_dump(mode="json")
    typer.echo(f"# {file.path}{'' if file.path.exists() else ' (not there: the default)'}")
    typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
    for key, judged in file.judged().items():
        typer.echo(f"# {judged.verdict}: {judged.kind} {judged.name} {key}")


@policy.command()
def allow(context: typer.Context, code: Code = None, config: ConfigFile = None) -> None:
    """Allow a package, a signer or a model; without one, all code that is not named.

    For example: fedloom client policy allow iris --config node.yaml
    """
    from fedloom.platform.client import policy_edit
    from fedloom.platform.client.policy import Mode

    path = _open(context, config).path
    if code is None:
        policy_edit.set_mode(path, Mode.ALLOW)
        typer.echo("mode: allow; whoever may start tasks may run code here")
        return
    typer.echo(f"{policy_edit.allow(path, code)}: {code} is allowed")


@policy.command()
def deny(context: typer.Context, code: Code = None, config: ConfigFile = None) -> None:
    """Allow it no longer; without one, deny all code that is not named.

    A package by its SHA-256 and a model are refused from now on whatever else allows them.

    For example: fedloom client policy deny iris --config node.yaml
    """
    from fedloom.errors import NotFoundError
    from fedloom.platform.client import policy_edit
    from fedloom.platform.client.policy import Mode

    file = _open(context, config)
    if code is None:
        policy_edit.set_mode(file.path, Mode.DENY)
        typer.echo("mode: deny; what is not named does not run")
        return
    key, value = policy_edit.choose_list(code)
    was_there = policy_edit.disallow(file.path, code)
    if key in ("digests", "models"):
        file.refuse(value if key == "digests" else f"model:{value}")
    elif not was_there:
        raise NotFoundError(f"{code} is not among the {key} that this node allows")
    typer.echo(f"{code} is denied")


@policy.command()
def ask(context: typer.Context, config: ConfigFile = None) -> None:
    """Let code that is not named wait until its owner approves it.

    For example: fedloom client policy ask --config node.yaml
    """
    from fedloom.platform.client import policy_edit
    from fedloom.platform.client.policy import Mode

    policy_edit.set_mode(_open(context, config).path, Mode.ASK)
    typer.echo("mode: ask; see fedloom client policy pending")


@policy.command()
def pending(context: typer.Context, config: ConfigFile = None) -> None:
    """List what waits for the owner's approval, oldest first."""
    waiting = _open(context, config).pending()
    for key, judged in waiting.items():
        seen = judged.first_seen.strftime("%Y-%m-%d %H:%M UTC")
        typer.echo(f"{key}  {judged.kind} {judged.name!r} for {judged.use_case!r}, since {seen}")
    if not waiting:
        typer.echo("nothing waits")


@policy.command()
def approve(context: typer.Context, code: Pending, config: ConfigFile = None) -> None:
    """Allow one of those that wait.

    For example: fedloom client policy approve 0f343b09 --config node.yaml
    """
    judged = _open(context, config).approve(code)
    typer.echo(f"{judged.kind} {judged.name or code} is allowed")


@policy.command()
def refuse(context: typer.Context, code: Pending, config: ConfigFile = None) -> None:
    """Refuse one of those that wait, for good."""
    judged = _open(context, config).refuse(code)
    typer.echo(f"{judged.kind} {judged.name or code} is refused")


@policy.command()
def edit(context: typer.Context, config: ConfigFile = None) -> None:
    """Open the policy in $EDITOR, and put it in place once it can be read.

    For example: fedloom client policy edit --config node.yaml
    """
    from fedloom.errors import InputError
    from fedloom.files import write_text
    from fedloom.platform.client.policy_file import read_policy

    path = _open(context, config).path
    beside = path.with_name(f".{path.name}.edited.yaml")
    write_text(beside, path.read_text("utf-8") if path.exists() else "mode: deny\n")
    try:
        typer.edit(filename=str(beside))
        read_policy(beside)
    except InputError as error:
        raise InputError(f"the policy stays as it was: {error}") from error
    beside.replace(path)
    typer.echo(f"{path} is in place")
