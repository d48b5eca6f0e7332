"""`fedloom up`: a whole platform on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from fedloom.cli.platform_options import (
    ConfigFile,
    Folder,
    Host,
    Insecure,
    Port,
    Setting,
    TlsCertificate,
    TlsKey,
    gather,
)

__all__ = ["up"]


def up(
    folder: Folder = None,
    clients: Annotated[
        int | None, typer.Option("--clients", help="Clients to start.", show_default="3")
    ] = None,
    demo: Annotated[
        bool | None,
        typer.Option(
            "--demo/--no-demo",
            help="Give clients demo data and let them run the demo package iris.",
            show_default="demo",
        ),
    ] = None,
    port: Port = None,
    host: Host = None,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    insecure: Insecure = False,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    config: ConfigFile = None,
    settings: Setting = None,
) -> None:
    """Start a whole platform on this machine: API, page, coordinator, SuperLink and clients.

    It prints the page's address and a token. Ctrl-C stops all of it; with the same folder it goes
    on where it was. Nothing else needs to be installed or running.

    For example: fedloom up --dir federation --clients 5
    """
    loaded = gather(
        config,
        settings,
        dir=folder,
        clients=clients,
        port=port,
        host=host,
        insecure=insecure,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        **({} if demo is None else {"demo": str(demo)}),
    )
    from fedloom.platform.up.console import Console, log_to_file
    from fedloom.platform.up.state_folder import StateFolder
    from fedloom.platform.up.up import run_up

    log_to_file(StateFolder(loaded.config.dir).log / "up.log", loaded.config.log_level)
    run_up(loaded.config, Console(), browser=browser)
