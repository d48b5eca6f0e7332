"""Flags of every command that talks to a platform, and the connection that they describe."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedloom.errors import InputError

if TYPE_CHECKING:
    from fedloom.platform.connection import Platform

__all__ = ["AsJson", "complete_from", "with_platform"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_PANEL = "Platform"
_COMPLETION_TIMEOUT_S = 2.0


def _option(*names: str, help: str) -> Any:  # noqa: A002, Typer's word
    return typer.Option(*names, help=help, rich_help_panel=_PANEL, show_default=False)


_FLAGS: dict[str, tuple[Any, Any]] = {
    "url": (
        str | None,
        _option("--url", help="Address of the API (FEDLOOM_URL; else the last fedloom up)."),
    ),
    "token": (
        str | None,
        _option(
            "--token",
            help="Who asks, or @FILE that holds it (FEDLOOM_TOKEN; else fedloom up's own).",
        ),
    ),
    "ca": (
        Path | None,
        _option("--ca", help="Certificates of who vouches for the server (FEDLOOM_CA)."),
    ),
    "insecure": (
        bool | None,
        _option("--insecure", help="Send the token without TLS to another machine."),
    ),
    "timeout": (
        float,
        _option("--timeout", help="Seconds without an answer that are too long (default: 30)."),
    ),
}


def with_platform(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the flags of a platform; its first parameter receives the connection.

    Raises:
        FedloomError: from the command, if the platform cannot be reached or says no.
    """

    @wraps(command)
    def run(**given: Any) -> None:
        access = {name: given.pop(name) for name in _FLAGS}
        with _open(**access) as platform:
            command(platform, **given)

    # Only checkers know the first parameter's type; importing it here would cost every command.
    unknown = {"Platform": object}
    own = list(inspect.signature(command, locals=unknown, eval_str=True).parameters.values())[1:]
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=30.0 if name == "timeout" else None,
            annotation=Annotated[kind, option],
        )
        for name, (kind, option) in _FLAGS.items()
    ]
    signature = inspect.Signature([*own, *flags])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    del run.__wrapped__  # else its own signature would count
    return run


def complete_from(
    ask: Callable[[Platform], list[tuple[str, str]]],
) -> Callable[[typer.Context, str], list[tuple[str, str]]]:
    """Return what completes a word by asking the platform; where that fails, nothing is offered.

    Args:
        ask: returns words and what they mean.
    """

    def complete(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        known = {name: ctx.params.get(name) for name in ("url", "token", "ca", "insecure")}
        try:
            with _open(**known, timeout=_COMPLETION_TIMEOUT_S) as platform:
                words = ask(platform)
        except Exception:  # noqa: BLE001 - a shell that completes shows no errors
            return []
        return [(word, meaning) for word, meaning in words if word.startswith(incomplete)]

    return complete


def _open(
    url: str | None, token: str | None, ca: Path | None, insecure: bool | None, timeout: float
) -> Platform:
    from fedloom.platform.connection import connect

    return connect(url, _read_token(token), ca=ca, timeout_s=timeout, insecure=insecure or None)


def _read_token(given: str | None) -> str | None:
    if given is None or not given.startswith("@"):
        return given
    try:
        found = Path(given[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--token {given}: the file cannot be read: {error}") from error
    if not found:
        raise InputError(f"--token {given}: the file is empty")
    return found
