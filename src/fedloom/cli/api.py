"""`fedloom api`: the API and the page, as a process of its own."""

from __future__ import annotations

from fedloom.cli.platform_options import (
    Broker,
    ConfigFile,
    Database,
    Folder,
    Host,
    Insecure,
    Level,
    Port,
    Registry,
    Setting,
    TlsCertificate,
    TlsKey,
    gather,
)

__all__ = ["api"]


def api(
    config: ConfigFile = None,
    folder: Folder = None,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    broker: Broker = None,
    registry: Registry = None,
    insecure: Insecure = False,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    log_level: Level = None,
    settings: Setting = None,
) -> None:
    """Serve the API and the page until a signal comes.

    Tasks wait in the database for a fedloom server with the same database and registry.

    For example: fedloom api --database postgresql://fedloom@db/fedloom --registry http://mlflow:5000
    """
    loaded = gather(
        config,
        settings,
        dir=folder,
        host=host,
        port=port,
        database_url=database,
        broker_url=broker,
        registry_url=registry,
        insecure=insecure,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        log_level=log_level,
    )
    from fedloom.platform.up.api import run_api
    from fedloom.platform.up.console import Console, log_to_stderr

    log_to_stderr(loaded.config.log_level)
    run_api(loaded.config, Console(lambda _: None))
