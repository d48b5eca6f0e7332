"""Ports: looked at before anything is started, and never open to others by accident."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address

from fedloom.errors import ConflictError, InputError
from fedloom.platform.config import PlatformConfig

__all__ = ["check_exposure", "is_loopback", "listen"]

_BACKLOG = 512


def listen(host: str, port: int, flag: str = "--port") -> socket.socket:
    """Take a port at once, so that whoever comes early waits instead of being refused.

    Args:
        host: address or name to listen on.
        port: 0 for any that is free.
        flag: with which another one is chosen.

    Raises:
        ConflictError: the port is taken.
        InputError: there is no such address on this machine, or the port needs more rights.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise InputError(f"host {host!r} is no address of this machine") from None
    listener = socket.socket(family, kind, number)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(
                f"port {port} on {host} is taken: choose another with {flag}, 0 for a free one"
            ) from None
        reason = error.strerror or str(error)
        raise InputError(f"cannot listen on {host} port {port}: {reason}") from None
    return listener


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    if host in ("localhost", ""):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(what: str, host: str, config: PlatformConfig) -> None:
    """Refuse to let other machines in without TLS, unless that was asked for by name.

    Raises:
        InputError: it would listen for others in the open.
    """
    if is_loopback(host) or config.tls_certificate is not None or config.insecure:
        return
    raise InputError(
        f"{what} on {host} would be open to other machines without TLS: give tls_certificate and"
        " tls_key (fedloom certs makes them), or insecure by name"
    )
