"""`fedloom model`: the models of a platform and their versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedloom.cli.connecting import AsJson, complete_from, with_platform
from fedloom.cli.listing import as_plain, ask_first, print_pairs, print_rows, spell_age
from fedloom.cli.places import Overwrite, refuse_existing
from fedloom.cli.printing import print_files, print_json

if TYPE_CHECKING:
    from fedloom.platform.connection import Platform

__all__ = ["delete", "download", "lineage", "list_models", "model", "show", "sign", "versions"]

model = typer.Typer(
    add_completion=False,
    help="""List models and versions, their lineage, and download them.

    A version is a package as it was pushed, or what a task trained from one.

    For example:

    \b
      fedloom model versions trained_iris
      fedloom model download trained_iris --output model.npz
    """,
)


def _list_names(platform: Platform) -> list[tuple[str, str]]:
    return [(m.name, m.description) for m in platform.models.list()]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name of the model.", autocompletion=complete_from(_list_names)
    ),
]
Number = Annotated[
    int | None,
    typer.Argument(
        metavar="[VERSION]", min=1, help="The version.", show_default="the newest version"
    ),
]


@model.command("list")
@with_platform
def list_models(platform: Platform, as_json: AsJson = False) -> None:
    """List models, by name.

    For example: fedloom model list
    """
    found = platform.models.list()
    if as_json:
        print_json(as_plain(found))
        return
    heads = ("name", "newest", "kind", "use case", "changed", "description")
    rows = [
        (m.name, m.latest, m.kind, m.use_case, spell_age(m.updated_at), m.description)
        for m in found
    ]
    print_rows(heads, rows, none="no model is registered: 'fedloom package push' brings one")


@model.command()
@with_platform
def versions(platform: Platform, name: Name, as_json: AsJson = False) -> None:
    """List a model's versions, newest first.

    For example: fedloom model versions iris
    """
    found = platform.models.versions(name)
    if as_json:
        print_json(as_plain(found))
        return
    heads = ("version", "kind", "use case", "task", "rounds", "clients", "age", "digest")
    rows = [
        (
            v.version,
            v.kind,
            v.use_case,
            v.task_id,
            v.rounds,
            v.num_clients,
            spell_age(v.created_at),
            v.digest[:16],
        )
        for v in found
    ]
    print_rows(heads, rows, none=f"{name} has no version")


@model.command()
@with_platform
def show(platform: Platform, name: Name, version: Number = None, as_json: AsJson = False) -> None:
    """Show one version.

    For example: fedloom model show iris 1
    """
    models = platform.models
    found = models.latest(name) if version is None else models.get(name, version)
    if as_json:
        print_json(as_plain([found])[0])
        return
    print_pairs(
        [
            ("model", found.name),
            ("version", found.version),
            ("kind", found.kind),
            ("use case", found.use_case),
            ("entry points", tuple(found.entry_points)),
            ("digest", found.digest),
            ("signed by", tuple(one.key for one in found.signatures)),
            ("made", found.created_at),
            ("made by", f"Fedloom {found.made_by}" if found.made_by else None),
            ("task", found.task_id),
            ("rounds", found.rounds),
            ("clients", found.num_clients),
            ("description", found.description),
        ]
    )


@model.command()
@with_platform
def lineage(
    platform: Platform, name: Name, version: Number = None, as_json: AsJson = False
) -> None:
    """Show where a version's weights come from, back to the package as it was pushed.

    For example: fedloom model lineage trained_iris
    """
    number = platform.models.latest(name).version if version is None else version
    steps = []
    at: tuple[str, int] = (name, number)
    seen = {at}
    while (step := platform.models.lineage(*at)) is not None:
        steps.append((at, step))
        at = (step.model, step.version)
        if at in seen:
            break  # what a server says need not have an end
        seen.add(at)
    if as_json:
        print_json([{"name": n, "version": v, "from": as_plain([s])[0]} for (n, v), s in steps])
        return
    for (made, made_version), step in steps:
        typer.echo(
            f"{made} {made_version}: task {step.task_id} trained {step.model} {step.version}"
            f" for {step.rounds} rounds with {', '.join(step.clients) or 'no client'}"
        )
    typer.echo(f"{at[0]} {at[1]}: as it was pushed")


@model.command()
@with_platform
def download(
    platform: Platform,
    name: Name,
    version: Number = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write.", show_default="NAME-VERSION.npz, here"
        ),
    ] = None,
    package: Annotated[
        bool, typer.Option("--package", help="The package (tgz), not the weights.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Download a version's weights, or its package.

    For example: fedloom model download trained_iris 1 --output model.npz
    """
    models = platform.models
    number = models.latest(name).version if version is None else version
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name).lstrip(".") or "model"
    target = output or Path(f"{safe}-{number}{'.tgz' if package else '.npz'}")
    refuse_existing([target], overwrite=overwrite)
    fetch = models.download_package if package else models.download
    print_files([fetch(name, number, target)])


@model.command()
@with_platform
def sign(
    platform: Platform,
    name: Name,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version.")],
    signature: Annotated[
        list[Path],
        typer.Option("--signature", help="File of a signature of its package; may be repeated."),
    ],
    as_json: AsJson = False,
) -> None:
    """Add signatures to a version, which "fedloom package sign" made of its package.

    For example: fedloom model sign iris 1 --signature client.sig
    """
    signed = platform.models.sign(name, version, signature)
    if as_json:
        print_json(as_plain([signed])[0])
        return
    typer.echo(f"{signed} is signed by {', '.join(one.key for one in signed.signatures)}")


@model.command()
@with_platform
def delete(
    platform: Platform,
    name: Name,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Delete a version, with its package and weights.

    For example: fedloom model delete iris 1 --yes
    """
    ask_first(f"Delete version {version} of {name}?", yes=yes)
    platform.models.delete(name, version)
    typer.echo(f"version {version} of {name} is deleted")
