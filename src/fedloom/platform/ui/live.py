"""Keeping an open page up to date."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic

from nicegui import background_tasks

from fedloom.errors import FedloomError, NotFoundError
from fedloom.platform.store import Event
from fedloom.platform.ui.visit import Visit, notify_error

__all__ = ["keep_fresh"]

_LOG = logging.getLogger(__name__)
_PAUSE_S = 0.5
_LOOK_S = 5.0
"""An open page looks so often whether its session still holds."""


def keep_fresh(
    visit: Visit,
    refresh: Callable[[], Awaitable[None]],
    wants: Callable[[Event], bool],
    *,
    every_s: float | None = None,
) -> None:
    """Call `refresh` whenever an event comes that a page wants, until the page is closed.

    Events that come while it refreshes, or shortly after, lead to one more refresh altogether.
    What cannot be read is read again soon; where it is gone, the page says so and stays as it is.

    Args:
        visit: the page.
        refresh: reads and shows what is new.
        wants: says whether an event matters.
        every_s: refresh after so many seconds in any case, for what tells no event, as far as
            the desk allows it.
    """
    if not visit.desk.refreshes_unasked:
        every_s = None
    changed = asyncio.Event()

    def listen(events: Sequence[Event]) -> None:
        if any(wants(event) for event in events):
            changed.set()

    async def follow() -> None:
        fresh_s = monotonic()
        while not visit.client.is_deleted:
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _LOOK_S)
            due = every_s is not None and monotonic() - fresh_s > every_s
            connected = visit.client.has_socket_connection and await _may_stay(visit)
            if connected and (changed.is_set() or due):
                changed.clear()
                if not await _refresh(visit, refresh):
                    changed.set()
                    await asyncio.sleep(_LOOK_S)
                fresh_s = monotonic()
            await asyncio.sleep(_PAUSE_S)

    end = visit.desk.broadcaster.subscribe(listen)
    if visit.desk.broadcaster.position != visit.position:
        # Something came while the page was being built, perhaps after it had been read.
        changed.set()
    task = background_tasks.create(follow(), name="keep a page fresh")

    def stop() -> None:
        end()
        task.cancel()

    visit.client.on_delete(stop)


async def _may_stay(visit: Visit) -> bool:
    """Say whether the session still holds; a page whose session is over is left at once."""
    alive = await asyncio.to_thread(visit.desk.sessions.is_alive, visit.session)
    if not alive:
        visit.leave()
    return alive


async def _refresh(visit: Visit, refresh: Callable[[], Awaitable[None]]) -> bool:
    """Refresh a page; say whether that is done with, or has to be tried again."""
    try:
        with visit.client:
            await refresh()
    except NotFoundError as error:
        with visit.client:
            notify_error(error, stays=True)
    except FedloomError as error:
        _LOG.info("a page was not refreshed: %s", error)
        return False
    return True
