"""What tests of the broker share: an outbox in memory, a proxy that can be cut, a listener."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fedloom.errors import LinkError
from fedloom.platform.broker import Broker, listen
from fedloom.platform.task import Queue


def wait_until(what: str, holds: Callable[[], Any], limit_s: float = 10.0) -> None:
    until = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < until, f"waited {limit_s} s until {what}"
        time.sleep(0.005)


@dataclass(frozen=True)
class Outgoing:
    id: int
    queue: str
    body: str


class MemoryOutbox:
    """An outbox as the store has one; it can be made to fail."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Outgoing] = []
        self._taken: dict[int, Outgoing] = {}
        self._ids = iter(range(1, 1_000_000))
        self.sent: list[int] = []
        self.down = False

    def put(self, queue: str, body: str) -> int:
        with self._lock:
            message = Outgoing(next(self._ids), queue, body)
            self._waiting.append(message)
            return message.id

    @property
    def waiting(self) -> int:
        with self._lock:
            return len(self._waiting)

    def take_outbox(self, limit: int = 100, lease_s: float = 30.0) -> Sequence[Outgoing]:
        if self.down:
            raise LinkError("the database cannot be reached")
        with self._lock:
            taken, self._waiting = self._waiting[:limit], self._waiting[limit:]
            self._taken |= {message.id: message for message in taken}
            return taken

    def mark_sent(self, ids: Sequence[int]) -> None:
        with self._lock:
            self.sent += [self._taken.pop(number).id for number in ids]

    def release_outbox(self, ids: Sequence[int]) -> None:
        with self._lock:
            back = [self._taken.pop(number) for number in ids]
            self._waiting = sorted([*back, *self._waiting], key=lambda message: message.id)


class Listening:
    """A listener in a thread, and what it got."""

    def __init__(self, broker: Broker, queue: Queue) -> None:
        self.got: list[Any] = []
        self.links: list[bool] = []
        self.stop = threading.Event()
        self.fail_on: Any = None
        self._thread = threading.Thread(
            target=listen,
            args=(broker, queue, self._take, self.stop),
            kwargs={"on_link": self.links.append},
        )
        self._thread.start()

    def _take(self, message: Any) -> None:
        self.got.append(message)
        if message == self.fail_on:
            raise ZeroDivisionError("a handler's fault")

    def wait_for_link(self, links: int = 1) -> None:
        wait_until("it listens", lambda: self.links.count(True) >= links)

    def end(self) -> float:
        """Stop it; return the seconds that took."""
        begun = time.monotonic()
        self.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        return time.monotonic() - begun


@contextmanager
def listening(broker: Broker, queue: Queue) -> Iterator[Listening]:
    listener = Listening(broker, queue)
    try:
        listener.wait_for_link()
        yield listener
    finally:
        listener.end()


class Proxy:
    """A way to a server that can be cut, held, and closed, as networks and restarts do."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._held = threading.Event()
        self._server: socket.socket | None = None
        self.connections = 0
        self.port = 0
        self.open()

    def open(self) -> None:
        """Take connections, on the port it had before."""
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.bind(("127.0.0.1", self.port))
        self._server.listen()
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def refuse(self) -> None:
        """Take no new connections."""
        if self._server is not None:
            # Or the thread that waits in it would keep the port open.
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Break all connections."""
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs = []

    def hold(self, held: bool) -> None:
        """Keep connections open, and let nothing through: a cable that was pulled."""
        self._held.set() if held else self._held.clear()

    def close(self) -> None:
        self.refuse()
        self.hold(False)
        self.cut()

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self.connections += 1
                self._pairs.append((near, far))
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                while self._held.is_set():
                    time.sleep(0.01)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
