"""`fedloom superlink`: Flower's SuperLink by itself, for a coordinator that starts none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedloom.cli.platform_options import TlsCertificate, TlsKey

__all__ = ["superlink"]


def superlink(
    folder: Annotated[Path, typer.Option("--dir", help="Folder of its state.")],
    secret: Annotated[
        Path,
        typer.Option("--secret", help="File of the coordinator's secret; made if it is not there."),
    ],
    host: Annotated[str, typer.Option("--host", help="Address for the coordinator.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Its port.")] = 9091,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", help="Who vouches for the certificate, PEM.")
    ] = None,
    known_nodes_only: Annotated[
        bool, typer.Option("--known-nodes-only", help="Admit registered nodes only; needs TLS.")
    ] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen for other machines without TLS.")
    ] = False,
) -> None:
    """Run a SuperLink until a signal comes, for fedloom server --superlinks HOST:PORT=SECRET_FILE.

    Its operators' API shares the port with that for nodes and asks for no login: let nobody but the
    coordinator reach it. fedloom server starts one by itself; this is for one that outlives it.

    For example: fedloom superlink --dir superlink --secret superlink.key
    """
    from fedloom.errors import InputError
    from fedloom.fleet.flower.superlink import Certificates, SuperLink
    from fedloom.platform.up.ports import is_loopback, listen

    certificates = None
    if tls_certificate is not None and tls_key is not None and ca is not None:
        certificates = Certificates(ca, tls_certificate, tls_key)
    elif tls_certificate is not None or tls_key is not None or ca is not None:
        raise InputError("--tls-certificate, --tls-key and --ca go together: give all or none")
    elif not is_loopback(host) and not insecure:
        raise InputError(
            f"the SuperLink on {host} would be open to other machines without TLS: give"
            " --tls-certificate, --tls-key and --ca, or --insecure by name"
        )
    listen(host, port).close()
    SuperLink(
        folder,
        port=port,
        host=host,
        certificates=certificates,
        known_nodes_only=known_nodes_only,
        secret=secret,
    ).become()
