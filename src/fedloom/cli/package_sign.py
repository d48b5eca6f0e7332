"""`fedloom package key` and `sign`: say who answers for a package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedloom.cli.printing import print_json

__all__ = ["make", "sign"]

_ENDING = ".pem"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def make(
    name: Annotated[
        Path, typer.Argument(metavar="NAME", help="The key's file; .pem is added if missing.")
    ],
    as_json: AsJson = False,
) -> None:
    """Make a key to sign packages with, if there is none, and show its public half.

    The file holds the private key; it is for you alone, and is never overwritten.

    For example: fedloom package key ada
    """
    from fedloom.package.signing import make_key, read_public_key

    path = name if name.suffix == _ENDING else name.with_name(f"{name.name}{_ENDING}")
    is_new = not path.exists()
    public = make_key(path) if is_new else read_public_key(path)
    if as_json:
        print_json({"path": str(path), "made": is_new, "public_key": public})
        return
    typer.echo(f"{path}: {'made; keep it to yourself' if is_new else 'was there already'}")
    typer.echo(f"public key: {public}")
    typer.echo(f"a node's owner trusts it: fedloom client policy allow {public}")


def sign(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="The package's folder, or an archive (.tgz)."),
    ],
    key: Annotated[Path, typer.Option("--key", help="Private key; fedloom package key makes one.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write.", show_default="PATH with .sig at its end"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sign a package: its SHA-256, as the registry and the nodes will know it.

    For example: fedloom package sign client/ --key ada.pem
    """
    from fedloom.package.signing import sign_package, write_signature

    whole = path.resolve()
    target = output or whole.with_name(f"{whole.name}.sig")
    signed = sign_package(path, key)
    write_signature(signed, target)
    if as_json:
        print_json({"path": str(target), **signed.describe()})
        return
    typer.echo(f"{target}: signed by {signed.key}")
    typer.echo(f"next: fedloom package push {path} --name NAME --signature {target}")
