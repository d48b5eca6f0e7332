"""A node's way to a depot: fetch into memory or a file, and bring; with tries that have an end."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar
from urllib.parse import urlsplit

from fedloom.errors import DataError, LinkError
from fedloom.files import output_errors
from fedloom.fleet.flower.depot.server import DIGEST, write_all
from fedloom.fleet.flower.endpoint import Endpoint

__all__ = ["Carrier", "DepotDownError", "DepotRefusedError"]

_Result = TypeVar("_Result")
_LINK = re.compile(r"/v1/depot/[A-Za-z0-9_-]{22,128}")
_CHUNK_BYTES = 1 << 20
_STALL_SECONDS = 30.0
_FIRST_SECONDS, _LAST_SECONDS = 0.2, 5.0
_TRIES_SECONDS = 60.0

_OK, _CREATED = 200, 201
_WHY = {
    404: "it is wanted or offered no longer",
    409: "something else was brought before",
    413: "it is larger than is accepted",
}
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class DepotDownError(LinkError):
    """The depot did not answer, or not with sense; it may the next time."""


class DepotRefusedError(LinkError):
    """The depot says no, and will the next time.

    Args:
        message: what it says.
        status: of the HTTP response.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Carrier:
    """Fetches and brings over links.

    Safe to use from many threads: each transfer has a connection of its own.

    Args:
        endpoint: of the SuperLink; a link without a host is at its address, and its authority
            vouches for the depot too.
        patience_s: how long is tried while the depot does not answer.
    """

    def __init__(self, endpoint: Endpoint, patience_s: float = _TRIES_SECONDS) -> None:
        self._endpoint, self._patience_s = endpoint, patience_s

    def fetch(
        self,
        link: str,
        rooms: Sequence[memoryview],
        digest: str,
        give_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """Fill memory with what a link offers, which must have just that size.

        Args:
            link: as the depot made it.
            rooms: the memory, in the order of the content.
            digest: SHA-256 of the content.
            give_up: says that it is no longer wanted.

        Raises:
            DepotDownError: the depot could not be reached, for as long as was tried.
            DepotRefusedError: it does not offer that.
            DataError: what came is not what was announced.
        """
        size = sum(len(room) for room in rooms)

        def receive() -> None:
            with self._ask("GET", link) as response:
                _expect_size(response, size, size)
                if _fill(response, rooms, give_up) != digest:
                    raise DataError("what was fetched is not what was announced")

        self._try(receive, give_up)

    def fetch_file(self, link: str, target: Path, limit_bytes: int) -> str:
        """Write what a link offers to a file; return its SHA-256.

        Raises:
            DepotDownError: the depot could not be reached, for as long as was tried.
            DepotRefusedError: it does not offer that.
            DataError: it is larger than `limit_bytes`.
            OutputError: the file cannot be written.
        """

        def receive() -> str:
            with self._ask("GET", link) as response:
                return _save(response, _expect_size(response, 0, limit_bytes), target)

        return self._try(receive, lambda: False)

    def bring(
        self,
        link: str,
        parts: Sequence[memoryview],
        digest: str,
        give_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """Bring something; nothing happens where just that was brought before.

        Args:
            link: as the depot made it.
            parts: the content, end to end.
            digest: its SHA-256.
            give_up: says that it is no longer wanted.

        Raises:
            DepotDownError: the depot could not be reached, for as long as was tried.
            DepotRefusedError: it does not want that.
        """

        def send() -> None:
            try:
                self._send(link, parts, digest, give_up)
            except DepotRefusedError as error:
                if error.status != 409 or self._digest_there(link) != digest:
                    raise

        self._try(send, give_up)

    def _send(
        self, link: str, parts: Sequence[memoryview], digest: str, give_up: Callable[[], bool]
    ) -> None:
        connection, path = self._open(link)
        with _closing(connection):
            connection.connect()
            connection.putrequest("PUT", path, skip_accept_encoding=True)
            connection.putheader("Content-Length", str(sum(len(part) for part in parts)))
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader(DIGEST, digest)
            try:
                connection.endheaders()
                for chunk in _chunks(parts):
                    if give_up():
                        raise DepotDownError("an answer was no longer wanted while it was brought")
                    connection.send(chunk)
            except OSError:
                # A depot that refuses hangs up; what it said may be lost with the connection.
                with suppress(OSError, HTTPException):
                    _check(connection.getresponse(), _CREATED)
                self._digest_there(link)
                raise
            _check(connection.getresponse(), _CREATED)

    def _digest_there(self, link: str) -> str:
        """Return the SHA-256 of what was brought, empty where nothing was or it is on its way."""
        connection, path = self._open(link)
        with _closing(connection):
            connection.request("HEAD", path)
            response = connection.getresponse()
            if response.status != 409:
                _check(response, _OK)
            elif not response.getheader(DIGEST):
                raise DepotDownError("the depot is still receiving what was brought before")
            return response.getheader(DIGEST) or ""

    @contextmanager
    def _ask(self, verb: str, link: str) -> Iterator[HTTPResponse]:
        connection, path = self._open(link)
        with _closing(connection):
            connection.request(verb, path)
            response = connection.getresponse()
            _check(response, _OK)
            yield response

    def _open(self, link: str) -> tuple[HTTPConnection, str]:
        """Return a connection to where a link leads, and the path there.

        Raises:
            DataError: it leads nowhere that a node should go.
        """
        own = urlsplit(str(self._endpoint))
        told = urlsplit(link)
        if not _LINK.fullmatch(told.path) or told.query or told.fragment or told.username:
            raise DataError("a link that is none of a depot's")
        scheme, place = (told.scheme, told) if told.netloc else (own.scheme, own)
        host, port = place.hostname or "", place.port
        if scheme == "https":
            return HTTPSConnection(
                host, port, timeout=_STALL_SECONDS, context=self._context()
            ), told.path
        if scheme != "http" or (not self._endpoint.insecure and host not in _LOCAL):
            raise DataError(f"a link to {scheme}://{host}, where TLS would be right")
        return HTTPConnection(host, port, timeout=_STALL_SECONDS), told.path

    def _context(self) -> ssl.SSLContext:
        authority = self._endpoint.authority
        try:
            return ssl.create_default_context(cafile=None if authority is None else str(authority))
        except OSError as error:
            raise LinkError(f"cannot read the authority's certificate: {error}") from error

    def _try(self, do: Callable[[], _Result], give_up: Callable[[], bool]) -> _Result:
        until, delay = monotonic() + self._patience_s, _FIRST_SECONDS
        while True:
            try:
                return do()
            except (OSError, HTTPException, DepotDownError) as error:
                if give_up() or monotonic() > until:
                    why = str(error) or type(error).__name__
                    raise DepotDownError(
                        f"the depot cannot be reached: {why}; the node needs a way to where the "
                        "coordinator's gateway or depot listens"
                    ) from error
            again_at = monotonic() + delay
            while monotonic() < again_at and not give_up():
                sleep(_FIRST_SECONDS)
            delay = min(_LAST_SECONDS, delay * 2)


@contextmanager
def _closing(connection: HTTPConnection) -> Iterator[None]:
    try:
        yield
    finally:
        connection.close()


def _check(response: HTTPResponse, wanted: int) -> None:
    if response.status == wanted:
        return
    why = _WHY.get(response.status)
    if why is not None:
        raise DepotRefusedError(f"the depot refuses: {why}", response.status)
    raise DepotDownError(f"the depot answers with status {response.status}")


def _expect_size(response: HTTPResponse, least: int, most: int) -> int:
    size = response.length
    if size is None or not least <= size <= most:
        raise DataError(f"{size} bytes are offered, where {most} is the most")
    return size


def _save(response: HTTPResponse, size: int, target: Path) -> str:
    """Write what comes to a file; return its SHA-256. A file that is not whole does not stay."""
    hashed, room = sha256(), memoryview(bytearray(_CHUNK_BYTES))
    with output_errors(target):
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        while size:
            count = response.readinto(room[: min(size, _CHUNK_BYTES)])
            if not count:
                raise DepotDownError("the depot hung up in the middle")
            hashed.update(room[:count])
            with output_errors(target):
                write_all(descriptor, room[:count])
            size -= count
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return hashed.hexdigest()


def _fill(response: HTTPResponse, rooms: Sequence[memoryview], give_up: Callable[[], bool]) -> str:
    """Read into memory; return the SHA-256."""
    hashed = sha256()
    for room in rooms:
        left = room
        while len(left):
            count = response.readinto(left[:_CHUNK_BYTES])
            if not count or give_up():
                raise DepotDownError("the depot hung up in the middle")
            hashed.update(left[:count])
            left = left[count:]
    return hashed.hexdigest()


def _chunks(parts: Sequence[memoryview]) -> Iterator[memoryview]:
    for part in parts:
        for start in range(0, len(part), _CHUNK_BYTES):
            yield part[start : start + _CHUNK_BYTES]
