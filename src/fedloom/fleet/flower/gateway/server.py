"""What the gateway does with a connection: look at each request, pass it on, pass the answer back.

A thread for each connection, and bodies go through a small buffer. Each request is read, checked
and written anew: what the other side gets is what was checked here.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler
from io import BufferedReader, RawIOBase
from math import inf
from socket import socket
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from fedloom.fleet.flower.bounded_server import BoundedServer

__all__ = ["GatewayServer", "Target"]

_LOGGER = logging.getLogger(__name__)

_PATH = re.compile(r"/v1/(fleet|depot)/[A-Za-z0-9_-]{1,128}")
_METHODS = {"fleet": frozenset({"POST"}), "depot": frozenset({"GET", "HEAD", "PUT"})}
_LIMIT_BYTES = {"fleet": 32 << 20, "depot": 32 << 30}
"""The most that a request may have; Flower's messages come in parts of 8 MiB."""

_CHUNK_BYTES = 256 << 10
_STALL_SECONDS = 30.0
"""A connection on which nothing moves for so long is cut."""

_HEADER_SECONDS = 60.0
"""A request's line and headers have to be there after so long, with the wait for them."""

_LEAST_BYTES_PER_SECOND = 20_000
"""What is slower than this on average, after the first minute, is cut."""

_REUSE_SECONDS = 2.0
"""A connection to a server that was idle for longer might be closed by it just now."""

_MOST_CONNECTIONS = 2048
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailer", "transfer-encoding", "upgrade", "host", "expect", "content-length"),
    }
)


@dataclass(frozen=True)
class Target:
    """A server behind the gateway.

    Attributes:
        url: where it is, without a path.
        context: for TLS; None speaks plain HTTP.
    """

    url: str
    context: ssl.SSLContext | None = None

    def connect(self) -> HTTPConnection:
        """Return a connection that is opened when it is first used."""
        place = urlsplit(self.url)
        host = place.hostname or ""
        if self.context is None:
            return HTTPConnection(host, place.port, timeout=_STALL_SECONDS)
        return HTTPSConnection(host, place.port, timeout=_STALL_SECONDS, context=self.context)


class GatewayServer(BoundedServer):
    """Passes requests on.

    Args:
        address: host and port to listen on.
        targets: by what stands after ``/v1/`` in a path: ``fleet``, ``depot``.
        context: for TLS; None speaks plain HTTP.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        address: tuple[str, int],
        targets: Mapping[str, Target],
        context: ssl.SSLContext | None,
    ) -> None:
        self.targets, self.context = dict(targets), context
        super().__init__(address, _Handler, most_connections=_MOST_CONNECTIONS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"
    server_version, sys_version = "fedloom", ""
    error_message_format, error_content_type = "%(code)d %(message)s\n", "text/plain"
    timeout = _STALL_SECONDS
    server: GatewayServer
    request: socket
    connection: socket

    def setup(self) -> None:
        """Do the handshake here, in the connection's own thread, and with a limit."""
        self._used: dict[str, tuple[HTTPConnection, float]] = {}
        self.request.settimeout(_STALL_SECONDS)
        if self.server.context is not None:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()
        self._reader = _Reader(self.request)
        self.rfile = BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        """Serve a request; one whose headers come byte by byte does not hold a place for long."""
        self._reader.until = monotonic() + _HEADER_SECONDS
        super().handle_one_request()

    def finish(self) -> None:
        """Hang up on both sides."""
        for connection, _ in self._used.values():
            connection.close()
        with suppress(OSError):
            super().finish()
        if self.server.context is not None:
            self.request.close()

    def do_GET(self) -> None:
        self._pass_on()

    do_HEAD = do_PUT = do_POST = do_GET  # noqa: N815 - so the class above wants them

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the class above
        """Print nothing: a request's line may hold a secret."""

    def _pass_on(self) -> None:
        self._reader.until = inf  # bodies have a limit of their own
        size = self._read_size()
        found = _PATH.fullmatch(self.path)
        kind = found[1] if found else ""
        target = self.server.targets.get(kind)
        if target is None or self.command not in _METHODS[kind]:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif size is None:
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif size > _LIMIT_BYTES[kind]:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._exchange(kind, target, size)

    def _read_size(self) -> int | None:
        """Return the bytes of the body, or None where it is not said in the one plain way."""
        said = self.headers.get_all("Content-Length", ["0"])
        if "Transfer-Encoding" in self.headers or len(said) > 1:
            return None
        return int(said[0]) if said[0].isascii() and said[0].isdecimal() else None

    def _exchange(self, kind: str, target: Target, size: int) -> None:
        connection = self._connect(kind, target)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=False, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            if size or self.command in ("POST", "PUT"):
                connection.putheader("Content-Length", str(size))
            whole = self._send_body(connection, size)
            response = connection.getresponse()
        except _SlowError as error:
            connection.close()
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, str(error))
            return
        except (OSError, HTTPException, ValueError) as error:
            connection.close()
            self._refuse(HTTPStatus.BAD_GATEWAY, f"{kind}: {error or type(error).__name__}")
            return
        self.close_connection = self.close_connection or not whole
        self._answer(response)
        if response.will_close or not whole:
            connection.close()
        else:
            self._used[kind] = connection, monotonic()

    def _connect(self, kind: str, target: Target) -> HTTPConnection:
        """Return the connection of before, if it is fresh, or a new one."""
        before, used_at = self._used.pop(kind, (None, 0.0))
        if before is not None and monotonic() - used_at < _REUSE_SECONDS:
            return before
        if before is not None:
            before.close()
        return target.connect()

    def _send_body(self, connection: HTTPConnection, size: int) -> bool:
        """Pass a body on; return whether all of it was taken: who refuses it says why.

        Raises:
            _SlowError: it does not come.
        """
        connection.endheaders()
        left, until = size, _deadline(size)
        room = memoryview(bytearray(min(size, _CHUNK_BYTES) or 1))
        while left:
            try:
                count = self.rfile.readinto(room[: min(left, len(room))])
            except OSError as error:
                raise _SlowError("the rest of the body did not come") from error
            if not count or monotonic() > until:
                raise _SlowError("the rest of the body did not come")
            try:
                connection.send(room[:count])
            except (BrokenPipeError, ConnectionResetError):
                return False
            left -= count
        return True

    def _answer(self, response: HTTPResponse) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = response.getheader("Content-Length")
        if length is None and response.chunked:
            self.close_connection = True  # its end is where the answer ends
        else:
            self.send_header("Content-Length", length or "0")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._send_answer(response)

    def _send_answer(self, response: HTTPResponse) -> None:
        expected, until = response.length, _deadline(response.length or 0)
        room = memoryview(bytearray(min(expected or _CHUNK_BYTES, _CHUNK_BYTES)))
        while count := response.readinto(room):
            self.connection.sendall(room[:count])
            if expected is not None and monotonic() > until:
                break
        if response.length:  # less than was promised; only so can we say it
            self.close_connection = True

    def _refuse(self, status: HTTPStatus, why: str = "") -> None:
        secret = self.path.startswith("/v1/depot/")
        shown = self.path[: 10 if secret else 60]
        who = self.client_address[0]
        _LOGGER.warning("%s: %s %r: %d %s", who, self.command, shown, status, why or status.phrase)
        self.close_connection = True
        with suppress(OSError):
            self.send_response_only(status)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()


class _Reader(RawIOBase):
    """What comes over a connection, until a point in time.

    Attributes:
        until: after which nothing is read, on the clock of `monotonic`.
    """

    def __init__(self, connection: socket) -> None:
        self._connection, self.until = connection, inf

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, room: Any) -> int:
        """Read what is there.

        Raises:
            TimeoutError: nothing came, or it is too late.
        """
        left = self.until - monotonic()
        if left <= 0:
            raise TimeoutError("the headers did not come in time")
        self._connection.settimeout(min(_STALL_SECONDS, left))
        try:
            return self._connection.recv_into(room)
        finally:
            self._connection.settimeout(_STALL_SECONDS)


class _SlowError(Exception):
    """A body did not come, or not in time."""


def _deadline(size: int) -> float:
    return monotonic() + 60.0 + size / _LEAST_BYTES_PER_SECOND
