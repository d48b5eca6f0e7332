"""`fedloom node`: the nodes of a platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedloom.cli.connecting import AsJson, complete_from, with_platform
from fedloom.cli.listing import as_plain, ask_first, print_pairs, print_rows, spell_age
from fedloom.cli.printing import print_json

if TYPE_CHECKING:
    from fedloom.platform.connection import Platform

__all__ = ["list_nodes", "node", "register", "remove", "show"]

node = typer.Typer(
    add_completion=False,
    help="""List, look at, register and remove the nodes of a platform.

    For example:

    \b
      fedloom node list
      fedloom node list --data
      fedloom node register hospital-a hospital-a.pub
    """,
)


def _list_names(platform: Platform) -> list[tuple[str, str]]:
    return [(n.name, "online" if n.online else "offline") for n in platform.nodes.list()]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name of the node.", autocompletion=complete_from(_list_names)
    ),
]


@node.command("list")
@with_platform
def list_nodes(
    platform: Platform,
    data: Annotated[
        bool, typer.Option("--data", help="Who holds data, by use case, instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List nodes: whether they are there, what they hold, when they last said something.

    For example: fedloom node list
    """
    if data:
        _list_data(platform, as_json=as_json)
        return
    found = platform.nodes.list()
    if as_json:
        print_json(as_plain(found))
        return
    rows = [
        (
            n.name,
            "online" if n.online else "offline",
            spell_age(n.last_seen),
            n.registered,
            n.versions.get("fedloom"),
            tuple(n.use_cases),
        )
        for n in found
    ]
    heads = ("name", "state", "seen", "registered", "fedloom", "use cases")
    print_rows(heads, rows, none="no node is known")


def _list_data(platform: Platform, *, as_json: bool) -> None:
    held = platform.datasets.list()
    if as_json:
        print_json({use_case: as_plain(nodes) for use_case, nodes in held.items()})
        return
    rows = [
        (use_case, h.node, h.rows, "online" if h.online else "offline")
        for use_case, nodes in held.items()
        for h in nodes
    ]
    print_rows(("use case", "node", "rows", "state"), rows, none="no node holds data")


@node.command()
@with_platform
def show(platform: Platform, name: Name, as_json: AsJson = False) -> None:
    """Show one node.

    For example: fedloom node show hospital-a
    """
    found = platform.nodes.get(name)
    if as_json:
        print_json(as_plain([found])[0])
        return
    print_pairs(
        [
            ("node", found.name),
            ("state", "online" if found.online else "offline"),
            ("last seen", found.last_seen),
            ("first seen", found.first_seen),
            ("registered", found.registered),
            ("key", found.key),
            ("use cases", tuple(found.use_cases)),
            ("versions", dict(found.versions)),
            *((str(key), value) for key, value in found.attributes.items()),
        ]
    )


@node.command()
@with_platform
def register(
    platform: Platform,
    name: Name,
    key: Annotated[Path, typer.Argument(metavar="KEY", help="File of its public key (PEM).")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where the name has another key.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let a node in under its name; nobody with another key can use it from then on.

    The node's owner gets the key with `fedloom client key`.

    For example: fedloom node register hospital-a hospital-a.pub
    """
    found = platform.nodes.register(name, key, replace=replace)
    if as_json:
        print_json(as_plain([found])[0])
    else:
        typer.echo(f"{found.name} is registered with the key {found.key[:16]}…")


@node.command()
@with_platform
def remove(
    platform: Platform,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Forget a node and its key.

    For example: fedloom node remove hospital-a --yes
    """
    ask_first(f"Remove the node {name}?", yes=yes)
    platform.nodes.remove(name)
    typer.echo(f"{name} is removed")
