"""The processes of a fleet: which are at work, which wait, and how all of them end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from fedloom.fleet.process.client_process import ClientHandle

__all__ = ["MOST_IDLE", "ProcessPool"]

MOST_IDLE = 16
"""Processes kept between rounds; each holds a framework in memory, about 300 MB."""


class ProcessPool:
    """The clients' processes, safe to use from many threads.

    Args:
        start: starts the process of a client.
    """

    def __init__(self, start: Callable[[int], ClientHandle]) -> None:
        self._start = start
        self._lock = Lock()
        self._idle: dict[int, ClientHandle] = {}
        self._busy: set[ClientHandle] = set()
        self._kills = 0

    @contextmanager
    def borrow(self, client: int) -> Iterator[ClientHandle]:
        """Lend a client's process, a new one where there is none alive.

        It is kept for the next round if the block ends well and there is room. The first to come
        stay: with more clients than room, ending the one that waited longest would end each of
        them just before its next turn.
        """
        kills, handle = self._kills, self._take(client)
        keep_since = None
        try:
            yield handle
            keep_since = kills
        finally:
            self._give_back(client, handle, keep_since)

    def kill(self) -> None:
        """End all processes; who is waiting for one is told so by its pipe."""
        with self._lock:
            self._kills += 1
            idle, busy = list(self._idle.values()), list(self._busy)
            self._idle.clear()
        for handle in busy:
            handle.kill()
        for handle in idle:
            handle.close()

    def _take(self, client: int) -> ClientHandle:
        with self._lock:
            handle = self._idle.pop(client, None)
            if handle is not None:
                self._busy.add(handle)
        if handle is not None and not handle.alive:
            self._give_back(client, handle, None)
            handle = None
        if handle is None:
            handle = self._start(client)
            with self._lock:
                self._busy.add(handle)
        return handle

    def _give_back(self, client: int, handle: ClientHandle, keep_since: int | None) -> None:
        """Take a process back, and keep it unless all were killed after `keep_since` kills.

        One that answers while all are killed would else outlive them, as an idle one.
        """
        with self._lock:
            self._busy.discard(handle)
            keep = keep_since == self._kills and len(self._idle) < MOST_IDLE and handle.alive
            if keep:
                self._idle[client] = handle
        if not keep:
            handle.close()
