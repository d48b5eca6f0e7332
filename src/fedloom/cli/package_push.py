"""`fedloom package push`: put a package into a platform's registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedloom.cli.connecting import AsJson, with_platform
from fedloom.cli.listing import as_plain
from fedloom.cli.printing import print_json

if TYPE_CHECKING:
    from fedloom.platform.connection import Platform

__all__ = ["push"]


@with_platform
def push(
    platform: Platform,
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="The package's folder, or an archive (.tgz)."),
    ],
    name: Annotated[str, typer.Option("--name", "-n", help="Name of the model.")],
    use_case: Annotated[
        str | None,
        typer.Option("--use-case", "--use_case", help="The only data it is for (default: any)."),
    ] = None,
    seed_model: Annotated[
        Path | None,
        typer.Option(
            "--seed-model",
            "--seed_model",
            help="The first weights (npz); else the package's build makes them.",
        ),
    ] = None,
    description: Annotated[str, typer.Option(help="What people should know about it.")] = "",
    key: Annotated[
        Path | None,
        typer.Option("--key", help="Sign it with this private key; see fedloom package key."),
    ] = None,
    signature: Annotated[
        list[Path] | None,
        typer.Option("--signature", help="File that fedloom package sign wrote; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a package into a platform's registry; prints its name and version.

    The same package with the same seed model and use case is the version that it was before, and
    gets the signatures that it does not have yet.

    For example: fedloom package push client/ --name iris --use-case iris
    """
    made = platform.packages.push(
        path,
        name,
        use_case=use_case,
        seed_model=seed_model,
        description=description,
        key=key,
        signatures=signature or (),
    )
    if as_json:
        print_json({**as_plain([made])[0], "was_there": made.was_there})
        return
    typer.echo(f"name: {made.name}")
    typer.echo(f"version: {made.version}")
    typer.echo(f"digest: {made.digest}")
    for one in made.signatures:
        typer.echo(f"signed by: {one.key}")
    if made.was_there:
        typer.echo("this package was there already: no new version was made")
    typer.echo(f"next: fedloom task create --model-name {made.name} --watch")
