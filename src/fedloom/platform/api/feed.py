"""The stream of events: one look at the database for all who listen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from time import monotonic

from anyio import to_thread

from fedloom.errors import FedloomError, LinkError
from fedloom.platform.identity import Identity
from fedloom.platform.service import Service
from fedloom.platform.store import Event
from fedloom.platform.store.columns import to_plain

__all__ = ["Feed"]

_POLL_S = 0.25
_HEARTBEAT_S = 15.0
_MOST_STREAMS = 200
_BATCH = 200
_RETRY_MS = 2000


class Feed:
    """Streams of server-sent events; at home in one event loop.

    While anybody listens, the number of the newest event is looked up four times a second; only
    when it has grown does each listener read what is new to them. Each look is bounded by the
    store's own limits, and a database that is away is waited for.

    Args:
        service: whose events.
        heartbeat_s: seconds after which a comment says that the stream lives; the listener's rights
            are checked again then.
    """

    def __init__(self, service: Service, *, heartbeat_s: float = _HEARTBEAT_S) -> None:
        self._service, self._heartbeat_s = service, heartbeat_s
        self._streams = 0
        self._newest = 0
        self._closed = False
        self._grown: asyncio.Condition | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def streams(self) -> int:
        """How many listen."""
        return self._streams

    def check_room(self) -> None:
        """Refuse one listener too many.

        Raises:
            LinkError: there are as many as can be.
        """
        if self._closed or self._streams >= _MOST_STREAMS:
            raise LinkError(f"{_MOST_STREAMS} listen to events already: try again later")

    async def close(self) -> None:
        """End all streams at once, so that the server can end."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._grown is not None:
            async with self._grown:
                self._grown.notify_all()

    async def listen(
        self,
        check: Callable[[], Identity],
        after_id: int,
        task_id: int | None,
        limit_s: float,
    ) -> AsyncIterator[str]:
        """Yield the events after one, as they come, with comments between.

        Args:
            check: says who listens; raises once they may no longer.
            after_id: number of the last event that is known; below 0 for none of the old ones.
            task_id: only those about this task.
            limit_s: seconds after which the stream ends; who wants more comes again.
        """
        self._streams += 1
        try:
            self._start()
            who, end = await to_thread.run_sync(check), monotonic() + limit_s
            last = after_id if after_id >= 0 else await self._look()
            yield f"retry: {_RETRY_MS}\n: listening after {last}\n\n"
            while not self._closed and monotonic() < end:
                seen, begun = self._newest, last
                texts, last = await self._read(who, last, task_id)
                for text in texts:
                    yield text
                if last > begun:  # there may be more
                    continue
                if not await self._wait(seen, min(self._heartbeat_s, end - monotonic())):
                    who = await to_thread.run_sync(check)
                    yield ": alive\n\n"
        except FedloomError as error:
            yield f"event: problem\ndata: {json.dumps({'detail': str(error)})}\n\n"
        finally:
            self._streams -= 1

    async def _read(self, who: Identity, last: int, task_id: int | None) -> tuple[list[str], int]:
        def read() -> tuple[list[Event], int]:
            return self._service.follow_events(who, last, task_id, _BATCH)

        try:
            events, last = await to_thread.run_sync(read)
        except LinkError:  # the database is away; the stream goes on when it is back
            return [], last
        return [_write(event) for event in events], last

    async def _wait(self, seen: int, limit_s: float) -> bool:
        """Return whether there is anything newer than what was the newest, before the limit."""
        grown = self._grown
        assert grown is not None
        try:
            async with asyncio.timeout(max(0.0, limit_s)), grown:
                await grown.wait_for(lambda: self._closed or self._newest != seen)
        except TimeoutError:
            return False
        return True

    def _start(self) -> None:
        if self._grown is None:
            self._grown = asyncio.Condition()
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._keep_looking(), name="fedloom-events")

    async def _keep_looking(self) -> None:
        while self._streams and not self._closed:
            newest = await self._look()
            if newest != self._newest:
                self._newest = newest
                assert self._grown is not None
                async with self._grown:
                    self._grown.notify_all()
            await asyncio.sleep(_POLL_S)

    async def _look(self) -> int:
        try:
            return await to_thread.run_sync(self._service.store.last_event_id)
        except LinkError:
            return self._newest


def _write(event: Event) -> str:
    """Return an event as the stream has it; JSON holds no line break that would end it early."""
    data = json.dumps(to_plain(asdict(event)), separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"
