"""`fedloom token`: who may use a platform."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fedloom.cli.connecting import AsJson, with_platform
from fedloom.cli.listing import as_plain, print_rows, spell_age
from fedloom.cli.printing import print_json
from fedloom.cli.times import read_moment

if TYPE_CHECKING:
    from fedloom.platform.connection import Platform
    from fedloom.platform.connection.values import TokenEntry

__all__ = ["create", "list_tokens", "revoke", "token"]

token = typer.Typer(
    add_completion=False,
    help="""List, grant and revoke tokens of a platform.

    Each stands for a user and a role: viewer, researcher, operator or admin. Nobody grants more
    than they have.

    For example:

    \b
      fedloom token create laptop --user-id ada --role researcher --expires 30d
      fedloom token revoke 2
    """,
)


@token.command()
@with_platform
def create(
    platform: Platform,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What its holder calls it.")],
    user_id: Annotated[
        str | None,
        typer.Option("--user-id", "--user_id", help="Whom it stands for (default: yourself)."),
    ] = None,
    role: Annotated[str, typer.Option(help="viewer, researcher, operator or admin.")] = "viewer",
    expires: Annotated[
        str | None,
        typer.Option(help="When it ends: 30d, or 2030-01-31T18:00 (UTC) (default: never)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print its secret, which cannot be shown again.

    For example: fedloom token create laptop --user-id ada --role researcher --expires 30d
    """
    ends = read_moment("--expires", expires)
    made = platform.tokens.create(name, user_id=user_id, role=role, expires_at=ends)
    if as_json:
        print_json(as_plain([made])[0])
        return
    until = f" until {made.expires_at:%Y-%m-%d %H:%M} UTC" if made.expires_at else ""
    typer.echo(f"token {made.id}: {made.role} for {made.user_id}{until}", err=True)
    typer.echo("keep its secret; it is shown only now:", err=True)
    typer.echo(made.secret)


@token.command("list")
@with_platform
def list_tokens(platform: Platform, as_json: AsJson = False) -> None:
    """List tokens, without their secrets: all to admins, their own to others.

    For example: fedloom token list
    """
    found = platform.tokens.list()
    if as_json:
        print_json(as_plain(found))
        return
    heads = ("id", "name", "user", "role", "state", "used", "made by")
    rows = [
        (t.id, t.name, t.user_id, t.role, _state(t), spell_age(t.last_used_at), t.created_by)
        for t in found
    ]
    print_rows(heads, rows, none="there is no token")


def _state(found: TokenEntry) -> str:
    if found.revoked_at is not None:
        return "revoked"
    if found.expires_at is None:
        return "holds"
    ended = found.expires_at <= datetime.now(UTC)
    return "ended" if ended else f"until {found.expires_at:%Y-%m-%d}"


@token.command()
@with_platform
def revoke(
    platform: Platform,
    token_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the token.")],
) -> None:
    """Revoke a token, at once and for good.

    For example: fedloom token revoke 2
    """
    platform.tokens.revoke(token_id)
    typer.echo(f"token {token_id} is revoked")
