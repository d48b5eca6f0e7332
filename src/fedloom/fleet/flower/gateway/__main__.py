"""The gateway's own command: ``python -m fedloom.fleet.flower.gateway --superlink HOST:PORT …``."""

from __future__ import annotations

import logging
import os
import re
import signal
import ssl
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from threading import Thread
from typing import NoReturn

from fedloom.errors import FedloomError, InputError, LinkError
from fedloom.fleet.flower.gateway.server import GatewayServer, Target

__all__ = ["main"]

_ADDRESS = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>[^/:@\s]+|\[[^/@\s]+\]):(?P<port>\d+)/?")


def main(arguments: Sequence[str] | None = None) -> None:
    """Listen until SIGTERM or SIGINT."""
    given = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s gateway: %(message)s")
    try:
        server = _open(given)
    except FedloomError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if given.end_with_parent:
        Thread(target=_end_with_parent, daemon=True, name="parent").start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    host, port = server.server_address[:2]
    print(f"listening on {host!s}:{port}", flush=True)
    server.serve_forever()


def _parse(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m fedloom.fleet.flower.gateway", description=__doc__)
    add = parser.add_argument
    add("--superlink", required=True, metavar="URL", help="host:port, http://… or https://…")
    add("--superlink-authority", metavar="FILE", help="PEM of who signed an https SuperLink's")
    add("--depot", metavar="URL", help="where the depot listens; without it there is none")
    add("--listen", default="127.0.0.1:9092", metavar="HOST:PORT", help="port 0 takes a free one")
    add("--certificate", metavar="FILE", help="PEM; with it TLS is spoken, without it plain HTTP")
    add("--key", metavar="FILE", help="PEM of the certificate's private key")
    add("--end-with-parent", action="store_true", help="end when standard input ends")
    return parser.parse_args(arguments)


def _open(given: Namespace) -> GatewayServer:
    targets = {"fleet": _find_target("superlink", given.superlink, given.superlink_authority)}
    if given.depot:
        targets["depot"] = _find_target("depot", given.depot, given.superlink_authority)
    _, host, port = _read_address("listen", given.listen)
    try:
        return GatewayServer((host, port), targets, _read_certificate(given.certificate, given.key))
    except OSError as error:
        why = error.strerror or error
        raise LinkError(f"listen={given.listen}: {why}; choose another address") from error


def _find_target(name: str, url: str, authority: str | None) -> Target:
    scheme, host, port = _read_address(name, url)
    if scheme != "https":
        return Target(f"http://{host}:{port}")
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise InputError(f"superlink-authority={authority}: {error}") from error
    return Target(f"https://{host}:{port}", context)


def _read_address(name: str, text: str) -> tuple[str, str, int]:
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise InputError(f"{name}={text}: host:port would be right")
    return found["scheme"] or "http", found["host"].strip("[]"), int(found["port"])


def _read_certificate(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InputError("certificate and key go together; give both or none")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except (OSError, ValueError) as error:
        raise InputError(f"certificate={certificate}, key={key}: {error}") from error
    return context


def _refuse_password() -> NoReturn:
    raise ValueError("the key is locked by a password; give one without")


def _end(*_: object) -> NoReturn:
    # At once: connections are nodes that try again, and threads wait for nothing of their own.
    os._exit(0)


def _end_with_parent() -> None:
    while os.read(0, 1):
        continue
    _end()


if __name__ == "__main__":
    main()
