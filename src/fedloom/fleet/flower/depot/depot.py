"""The depot of a coordinator: what it offers to nodes, and what it expects from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from fedloom.errors import DataError, InputError, LinkError
from fedloom.files import output_errors
from fedloom.fleet.flower.depot.server import DepotServer
from fedloom.fleet.flower.depot.shelf import OWN_FILE, Place, Shelf

__all__ = ["Depot"]

_LOOK_SECONDS = 0.1
_END_SECONDS = 10.0


class Depot:
    """Offers and takes big things beside a SuperLink.

    Safe to use from many threads. What it has it forgets when it stops: a coordinator that starts
    again offers anew.

    Args:
        folder: for what comes in; made if missing. Nobody else may use it meanwhile.
        public_url: where nodes reach it. None is its own address, for nodes on this machine; empty
            is the SuperLink's address, which a gateway shares among both.
        host: where it listens; it speaks plain HTTP, so leave that on this machine.
        port: None takes a free one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        public_url: str | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
    ) -> None:
        if public_url and urlsplit(public_url).scheme not in ("http", "https"):
            raise InputError(f"public_url={public_url}: http://… or https://… would be right")
        self._public_url = public_url if public_url is None else public_url.rstrip("/")
        self._folder, self._host, self._port = folder, host, port or 0
        self._shelf = Shelf(folder)
        self._server: DepotServer | None = None
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens; a gateway is told this.

        Raises:
            LinkError: it was not started.
        """
        if not self._port:
            raise LinkError("the depot was not started")
        return f"http://{self._host}:{self._port}"

    def start(self) -> Depot:
        """Listen. What an earlier one left in the folder is removed.

        Raises:
            LinkError: the port is taken.
            OutputError: the folder cannot be made.
        """
        if self._server is not None:
            return self
        _tidy(self._folder)
        try:
            self._server = DepotServer(self._host, self._port, self._shelf)
        except OSError as error:
            where = f"{self._host}:{self._port}"
            raise LinkError(f"the depot cannot listen on {where}: {error.strerror}") from error
        self._port = int(self._server.server_address[1])
        self._thread = Thread(
            target=self._server.serve_forever, args=(_LOOK_SECONDS,), daemon=True, name="depot"
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """End, and remove all that is there; may be called twice."""
        server, self._server = self._server, None
        self._shelf.clear()
        if server is None:
            return
        server.shutdown()
        server.server_close()
        if self._thread is not None:
            self._thread.join(timeout=_END_SECONDS)

    def offer(self, content: Path | Sequence[memoryview] | bytes, *, task: str) -> str:
        """Offer something to whoever gets the link, until it is withdrawn.

        Args:
            content: a file, or memory; neither may change meanwhile.
            task: with which it ends.

        Returns:
            The link: a URL, or a path at the SuperLink's address.

        Raises:
            DataError: there is no such file.
        """
        held: Any = [memoryview(content)] if isinstance(content, bytes | bytearray) else content
        try:
            return self._address(self._shelf.offer(held, task))
        except OSError as error:
            raise DataError(f"cannot offer {content!r}: {error.strerror}") from error

    def expect(self, task: str, limit_bytes: int) -> str:
        """Return a link under which one thing may be brought, once.

        Args:
            task: with which it ends.
            limit_bytes: the most it may have.
        """
        return self._address(self._shelf.expect(task, limit_bytes))

    def take(self, link: str, digest: str = "") -> Path | None:
        """Return what was brought under a link, or None where nothing is there.

        The file stays until the link is withdrawn.

        Args:
            link: as `expect` returned it.
            digest: SHA-256 that it must have; empty takes any.

        Raises:
            DataError: it is something else.
        """
        place = self._shelf.find(link)
        if not isinstance(place, Place) or not place.digest:
            return None
        if digest and place.digest != digest:
            raise DataError(
                f"what was brought has the SHA-256 {place.digest[:16]}… instead of {digest[:16]}…"
            )
        return place.path

    def reopen(self, link: str) -> None:
        """Let something be brought once more; what is there or on its way counts no longer."""
        self._shelf.reopen(link)

    def withdraw(self, link: str) -> None:
        """Let a link stand for nothing any more; may be called twice."""
        self._shelf.withdraw(link)

    def drop(self, task: str) -> None:
        """Withdraw all links of a task."""
        self._shelf.drop(task)

    def __enter__(self) -> Depot:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _address(self, path: str) -> str:
        base = self.url if self._public_url is None else self._public_url
        return f"{base}{path}"


def _tidy(folder: Path) -> None:
    """Make the folder, and remove what came for an earlier depot, and nothing else."""
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in folder.iterdir():
            if OWN_FILE.fullmatch(left.name):
                left.unlink()
