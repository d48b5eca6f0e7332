"""`fedloom server`: the coordinator with all that nodes connect to, as a process of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from fedloom.cli.platform_options import (
    Broker,
    ConfigFile,
    Database,
    Folder,
    Insecure,
    Level,
    Registry,
    Setting,
    TlsCertificate,
    TlsKey,
    gather,
)

__all__ = ["server"]


def server(
    config: ConfigFile = None,
    folder: Folder = None,
    gateway_host: Annotated[
        str | None,
        typer.Option(
            "--gateway-host", help="Address where nodes are let in.", show_default="127.0.0.1"
        ),
    ] = None,
    gateway_port: Annotated[
        int | None, typer.Option("--gateway-port", help="Port of it.", show_default="9092")
    ] = None,
    superlinks: Annotated[
        str | None,
        typer.Option(
            "--superlinks",
            help="How many to start; or those to use: HOST:PORT=SECRET_FILE,…",
            show_default="1",
        ),
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(
            "--health-port",
            help="Port of /health, /ready and /metrics on loopback.",
            show_default="none",
        ),
    ] = None,
    database: Database = None,
    broker: Broker = None,
    registry: Registry = None,
    known_nodes_only: Annotated[
        bool | None,
        typer.Option(
            "--known-nodes-only/--any-node",
            help="Let in only nodes whose keys are registered.",
            show_default="only known ones, if others than this machine are let in over TLS",
        ),
    ] = None,
    insecure: Insecure = False,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    log_level: Level = None,
    settings: Setting = None,
) -> None:
    """Run the coordinator until a signal comes: it takes tasks and trains them over its nodes.

    Nodes need one address, that of the gateway. Several servers may share one PostgreSQL database.

    For example: fedloom server --gateway-host 0.0.0.0 --config fedloom.yaml
    """
    loaded = gather(
        config,
        settings,
        dir=folder,
        gateway_host=gateway_host,
        gateway_port=gateway_port,
        superlinks=superlinks,
        known_nodes_only=None if known_nodes_only is None else str(known_nodes_only),
        health_port=health_port,
        database_url=database,
        broker_url=broker,
        registry_url=registry,
        insecure=insecure,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        log_level=log_level,
    )
    from fedloom.platform.up.console import Console, log_to_stderr
    from fedloom.platform.up.server import run_server

    log_to_stderr(loaded.config.log_level)
    run_server(loaded.config, Console(lambda _: None))
