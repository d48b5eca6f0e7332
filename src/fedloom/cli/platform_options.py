"""Flags that `fedloom up`, `api`, `server` and `config` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from fedloom.errors import InputError

if TYPE_CHECKING:
    from fedloom.platform.config import Loaded

__all__ = [
    "Broker",
    "ConfigFile",
    "Database",
    "Folder",
    "Host",
    "Insecure",
    "Level",
    "Port",
    "Registry",
    "Setting",
    "TlsCertificate",
    "TlsKey",
    "gather",
]

_CONFIGURED = "as configured"

ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; see fedloom config example."),
]
Folder: TypeAlias = Annotated[
    Path | None, typer.Option("--dir", help="Folder of the state.", show_default=_CONFIGURED)
]
Host: TypeAlias = Annotated[
    str | None,
    typer.Option("--host", help="Address of the API and the page.", show_default="127.0.0.1"),
]
Port: TypeAlias = Annotated[
    int | None,
    typer.Option("--port", help="Their port; 0 takes a free one.", show_default="8000"),
]
Insecure: TypeAlias = Annotated[
    bool, typer.Option("--insecure", help="Listen for other machines without TLS.")
]
TlsCertificate: TypeAlias = Annotated[
    Path | None, typer.Option("--tls-certificate", help="This machine's certificate, PEM.")
]
TlsKey: TypeAlias = Annotated[Path | None, typer.Option("--tls-key", help="Its private key, PEM.")]
Database: TypeAlias = Annotated[
    str | None,
    typer.Option("--database", help="postgresql://…", show_default="a file in the folder"),
]
Broker: TypeAlias = Annotated[
    str | None, typer.Option("--broker", help="amqp://…", show_default="none")
]
Registry: TypeAlias = Annotated[
    str | None,
    typer.Option("--registry", help="http://… of MLflow", show_default="a file in the folder"),
]
Level: TypeAlias = Annotated[
    str | None, typer.Option("--log-level", help="debug, info, warning or error.")
]
Setting: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any other key of the configuration."),
]


def gather(file: Path | None, settings: Sequence[str] | None, **flags: Any) -> Loaded:
    """Read the configuration; flags outweigh it, and a flag of its own outweighs ``--set``.

    Raises:
        InputError: something in it is wrong.
    """
    from fedloom.platform.config import read_config

    given = dict(_split(setting) for setting in settings or ())
    given |= {
        key: value for key, value in flags.items() if value is not None and value is not False
    }
    return read_config(file, given)


def _split(setting: str) -> tuple[str, str]:
    key, sign, value = setting.partition("=")
    if not sign:
        raise InputError(f"--set {setting}: write KEY=VALUE")
    return key.strip().replace("-", "_"), value
