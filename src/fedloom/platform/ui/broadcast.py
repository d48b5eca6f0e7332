"""What changed, asked for once a second by the whole process, and told to every open page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from fedloom.errors import FedloomError
from fedloom.platform.store import Event

__all__ = ["Broadcaster", "Listener", "ReadEvents"]

ReadEvents = Callable[[int, int], tuple[Sequence[Event], int]]
"""Takes the last known event's number and a limit; returns later ones, and where to go on."""
Listener = Callable[[Sequence[Event]], None]
"""Is told the new events; must return at once."""

ResultT = TypeVar("ResultT")

_LOG = logging.getLogger(__name__)
_BATCH = 1000


@dataclass
class _Kept:
    position: int
    at_s: float
    answer: asyncio.Future[Any]


@dataclass
class Broadcaster:
    """Reads events as they come and tells them to its listeners; keeps what pages ask in common.

    However many pages are open, the database is asked for events once in `poll_s`, and for
    anything that `shared` reads once per change.

    Attributes:
        read_events: reads events from the database; blocks.
        last_event_id: reads the number of the newest event; blocks.
        poll_s: seconds between two looks.
        keep_s: seconds for which an answer counts where no event came.
        problem: what keeps it from reading, or empty.
    """

    read_events: ReadEvents
    last_event_id: Callable[[], int]
    poll_s: float = 1.0
    keep_s: float = 5.0
    position: int = 0
    problem: str = ""
    _listeners: dict[int, Listener] = field(default_factory=dict, repr=False)
    _kept: dict[Hashable, _Kept] = field(default_factory=dict, repr=False)
    _next: int = 0

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell a listener of everything from now on; the answer ends that."""
        self._next += 1
        number = self._next
        self._listeners[number] = listener
        return lambda: self._listeners.pop(number, None) and None

    @property
    def num_listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    async def run(self) -> None:
        """Read until cancelled; a database that is down for a while is asked again."""
        known = False
        while True:
            try:
                if not known:
                    self.position = await asyncio.to_thread(self.last_event_id)
                    known = True
                await self._read_on()
                self.problem = ""
            except FedloomError as error:
                if not self.problem:
                    _LOG.warning("the page reads no events: %s", error)
                self.problem = str(error)
            await asyncio.sleep(self.poll_s)

    async def _read_on(self) -> None:
        while True:
            events, last = await asyncio.to_thread(self.read_events, self.position, _BATCH)
            if last <= self.position:
                return
            self.position = last
            self._forget()
            for listener in list(self._listeners.values()):
                listener(events)

    async def shared(self, key: Hashable, read: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Return what `read` returns; pages that ask for the same at once share one answer."""
        kept = self._kept.get(key)
        now = monotonic()
        if kept is None or kept.position != self.position or now - kept.at_s > self.keep_s:
            answer = asyncio.ensure_future(read())
            kept = self._kept[key] = _Kept(self.position, now, answer)
        try:
            # One page that is closed must not take the answer from the others.
            return await asyncio.shield(kept.answer)
        except FedloomError:
            self._kept.pop(key, None)
            raise

    def _forget(self) -> None:
        done = [key for key, kept in self._kept.items() if kept.answer.done()]
        for key in done:
            del self._kept[key]
