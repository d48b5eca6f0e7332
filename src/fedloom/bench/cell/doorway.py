"""Where the clients of a cell come in: SuperLink and depot, on a network behind a gateway."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket

from fedloom.errors import InputError, LinkError
from fedloom.files import output_errors
from fedloom.fleet.flower.certificates import CertificateFolder
from fedloom.fleet.flower.depot import Depot
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.gateway import Gateway
from fedloom.fleet.flower.superlink import Certificates, SuperLink

__all__ = ["Doorway", "open_doorway", "read_address"]

_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Doorway:
    """Where clients come in, open.

    Attributes:
        url: where they reach it.
        endpoint: where the server itself reaches the SuperLink.
        secret: the SuperLink's.
        depot: for what is too large for messages.
    """

    url: str
    endpoint: Endpoint
    secret: bytes
    depot: Depot

    @property
    def secured(self) -> bool:
        """Whether clients come over TLS."""
        return self.url.startswith("https://")


@contextmanager
def open_doorway(listen: str, folder: Path, certificates: Path | None) -> Iterator[Doorway]:
    """Open the way in, and close it with all that belongs to it when the block ends.

    On loopback and without certificates, clients reach the SuperLink itself; else a gateway stands
    before it, since the SuperLink lets everyone who reaches it do everything.

    Args:
        listen: host and port; port 0 takes a free one.
        folder: for the SuperLink's state; what an earlier death left there is removed, and nothing
            stays.
        certificates: folder with ``ca.pem``, ``server.pem`` and ``server.key``; None for plain
            HTTP.

    Raises:
        InputError: the address or a certificate cannot be used.
        LinkError: the port is taken, or something does not start.
        OutputError: the folder cannot be written.
    """
    host, port = read_address("listen", listen)
    files = None if certificates is None else _find_certificates(certificates)
    _refuse_taken(listen, host, port)
    _remove(folder)
    try:
        with ExitStack() as stack:
            if host in _LOOPBACK and files is None:
                yield _open_directly(stack, folder, port)
            else:
                yield _open_gateway(stack, folder, host, port, files)
    finally:
        _remove(folder)


def read_address(name: str, text: str) -> tuple[str, int]:
    """Return host and port of an address.

    Raises:
        InputError: it is none.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise InputError(f"{name}={text}: host:port such as 127.0.0.1:9092 would be right")
    return host.strip("[]"), int(port)


def _open_directly(stack: ExitStack, folder: Path, port: int) -> Doorway:
    link = stack.enter_context(SuperLink(folder / "superlink", port=port or None))
    depot = Depot(folder / "depot").start()
    stack.callback(depot.stop)
    return Doorway(str(link.endpoint), link.endpoint, link.secret, depot)


def _open_gateway(
    stack: ExitStack, folder: Path, host: str, port: int, files: Certificates | None
) -> Doorway:
    link = stack.enter_context(SuperLink(folder / "superlink"))
    depot = Depot(folder / "depot", public_url="").start()
    stack.callback(depot.stop)
    gateway = Gateway(link.endpoint, depot.url, host, port or None, files)
    stack.enter_context(gateway)
    return Doorway(gateway.url, link.endpoint, link.secret, depot)


def _find_certificates(folder: Path) -> Certificates:
    found = CertificateFolder(folder)
    files = Certificates(found.certificate("ca"), found.certificate("server"), found.key("server"))
    for file in (files.authority, files.certificate, files.key):
        if not file.is_file():
            raise InputError(f"certificates={folder}: there is no {file.name}")
    return files


def _refuse_taken(listen: str, host: str, port: int) -> None:
    """Say plainly that a port is taken; what listens there might even be another SuperLink."""
    if not port:
        return
    with socket(AF_INET6 if ":" in host else AF_INET, SOCK_STREAM) as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = error.strerror or error
            raise LinkError(f"listen={listen}: {why}; choose another address") from error


def _remove(folder: Path) -> None:
    if folder.exists():
        with output_errors(folder):
            shutil.rmtree(folder)
