"""The HTTP side of a depot: ``GET`` and ``PUT`` of a link, and ``HEAD`` to ask why not.

A thread for each connection, and files and memory go to the socket and back without a detour: it
takes as much processor time as copying does. It speaks plain HTTP on this machine; a gateway in
front of it speaks TLS.
"""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socket import socket
from time import monotonic
from typing import Any

from fedloom.fleet.flower.bounded_server import BoundedServer
from fedloom.fleet.flower.depot.shelf import Offer, Place, Shelf

__all__ = ["DIGEST", "DepotServer", "write_all"]

_LOGGER = logging.getLogger(__name__)

DIGEST = "Fedloom-SHA256"
"""The header with the SHA-256 of what is brought; what arrives as something else is thrown away."""

_CHUNK_BYTES = 1 << 20
_STALL_SECONDS = 30.0
"""A connection on which nothing moves for so long is cut."""

_LEAST_BYTES_PER_SECOND = 20_000
"""What is slower than this on average, after the first minute, is cut."""

_MOST_CONNECTIONS = 512
_SPARE_BYTES = 64 << 20
"""Room that is left on the disk."""


class DepotServer(BoundedServer):
    """Serves a shelf.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, host: str, port: int, shelf: Shelf) -> None:
        self.shelf = shelf
        super().__init__((host, port), _Handler, most_connections=_MOST_CONNECTIONS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"
    server_version, sys_version = "fedloom", ""
    error_message_format, error_content_type = "%(code)d %(message)s\n", "text/plain"
    timeout = _STALL_SECONDS
    server: DepotServer
    connection: socket

    def do_GET(self) -> None:
        found = self.server.shelf.find(self.path)
        if not isinstance(found, Offer):
            self._say(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(found.size))
        self.end_headers()
        self.wfile.flush()
        if not _send(self.connection, found):
            self.close_connection = True  # too little was sent, and only so can we say it

    def do_HEAD(self) -> None:
        found = self.server.shelf.find(self.path)
        if found is None:
            self._say(HTTPStatus.NOT_FOUND)
        elif isinstance(found, Place) and (found.digest or found.arriving):
            self._say(HTTPStatus.CONFLICT, found.digest)
        else:
            self._say(HTTPStatus.OK)

    def do_PUT(self) -> None:
        self.close_connection = True  # what was refused is not read; the rest is no request
        found = self.server.shelf.find(self.path)
        size = self.headers.get("Content-Length", "")
        if not isinstance(found, Place):
            self._say(HTTPStatus.NOT_FOUND)
        elif not size.isascii() or not size.isdecimal() or "Transfer-Encoding" in self.headers:
            self._say(HTTPStatus.LENGTH_REQUIRED)
        elif int(size) > found.limit_bytes:
            _LOGGER.warning("refused %s bytes where %d is the most", size, found.limit_bytes)
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif int(size) + _SPARE_BYTES > shutil.disk_usage(self.server.shelf.folder).free:
            _LOGGER.error("no room for %s bytes in %s", size, self.server.shelf.folder)
            self._say(HTTPStatus.INSUFFICIENT_STORAGE)
        elif (turn := self.server.shelf.begin(found)) is None:
            self._say(HTTPStatus.CONFLICT, found.digest)
        else:
            self._receive(found, turn, int(size))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the class above
        """Print nothing: a request's line holds a secret."""

    def _receive(self, place: Place, turn: int, size: int) -> None:
        beside = place.path.with_name(f"{place.path.name}.{turn}.part")
        try:
            digest = self._store(beside, place, turn, size)
        except OSError as error:
            _LOGGER.warning("something did not come in full: %s", error)
            digest, status = "", HTTPStatus.INSUFFICIENT_STORAGE
        else:
            wrong = bool(digest) and digest != self.headers.get(DIGEST, digest)
            status = HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.CREATED
        whole = bool(digest) and status is HTTPStatus.CREATED
        if not whole:
            beside.unlink(missing_ok=True)
        kept = self.server.shelf.finish(place, turn, beside if whole else None, digest)
        if whole and not kept:
            beside.unlink(missing_ok=True)
        if not kept and status is HTTPStatus.CREATED:
            status = HTTPStatus.NOT_FOUND  # it was withdrawn meanwhile
        self._say(status, digest if kept else "")

    def _store(self, beside: Path, place: Place, turn: int, size: int) -> str:
        """Write what comes; return its SHA-256, empty where it is no longer wanted."""
        hashed, room = sha256(), memoryview(bytearray(min(size, _CHUNK_BYTES) or 1))
        left, until = size, _deadline(size)
        with beside.open("wb", buffering=0) as file:
            while left:
                if place.gone or place.turn != turn:
                    return ""
                count = self.rfile.readinto(room[: min(left, len(room))])
                if not count or monotonic() > until:
                    raise ConnectionError(f"{left} of {size} bytes are missing")
                hashed.update(room[:count])
                write_all(file.fileno(), room[:count])
                left -= count
        return hashed.hexdigest()

    def _say(self, status: HTTPStatus, digest: str = "") -> None:
        if status >= HTTPStatus.BAD_REQUEST:
            _LOGGER.info("%s: %d %s", self.command, status, status.phrase)
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if digest:
                self.send_header(DIGEST, digest)
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()


def _send(connection: socket, offer: Offer) -> bool:
    """Send all of an offer; return False where it was withdrawn or the other side is too slow."""
    until, content = _deadline(offer.size), offer.content
    if isinstance(content, Path):
        with content.open("rb") as file:
            place = 0
            while place < offer.size:
                if offer.gone or monotonic() > until:
                    return False
                sent = connection.sendfile(file, place, min(_CHUNK_BYTES, offer.size - place))
                if not sent:
                    return False
                place += sent
        return True
    for part in content:
        held = part.cast("B")
        for start in range(0, len(held), _CHUNK_BYTES):
            if offer.gone or monotonic() > until:
                return False
            connection.sendall(held[start : start + _CHUNK_BYTES])
    return True


def _deadline(size: int) -> float:
    return monotonic() + 60.0 + size / _LEAST_BYTES_PER_SECOND


def write_all(descriptor: int, content: memoryview) -> None:
    """Write all of it to an open file."""
    while content:
        content = content[os.write(descriptor, content) :]
