"""A page that somebody has open: who they are, and how it asks the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from nicegui import Client, ui

from fedloom.errors import FedloomError
from fedloom.platform.identity import Identity, Permission, UnauthenticatedError
from fedloom.platform.ui.broadcast import Broadcaster
from fedloom.platform.ui.feed import Feeds
from fedloom.platform.ui.gate import BASE, SESSION_KEY
from fedloom.platform.ui.sessions import Session, Sessions

if TYPE_CHECKING:
    from fedloom.platform.service import Service

__all__ = ["DESK_KEY", "Desk", "Visit", "current_visit", "notify_error"]

DESK_KEY = "fedloom.desk"
"""Under this name the desk stands in a request's scope."""

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Desk:
    """What all open pages of this process share.

    Attributes:
        service: what people may do.
        sessions: who is signed in.
        broadcaster: tells of changes.
        feeds: progress of tasks.
        title: of the page.
        refreshes_unasked: whether pages refresh at times without an event, too.
    """

    service: Service
    sessions: Sessions
    broadcaster: Broadcaster
    feeds: Feeds
    title: str
    refreshes_unasked: bool = True


@dataclass(frozen=True)
class Visit:
    """One open page.

    Attributes:
        desk: what it shares with others.
        session: whose page it is.
        client: the browser's end.
        position: the last event that was known when it began to be built.
    """

    desk: Desk
    session: Session
    client: Client
    position: int

    @property
    def who(self) -> Identity:
        """Who looks."""
        return self.session.identity

    @property
    def service(self) -> Service:
        """What it asks."""
        return self.desk.service

    def may(self, permission: Permission) -> bool:
        """Say whether they may do something; what they may not is not shown."""
        return self.who.may(permission)

    async def ask(self, what: Callable[P, ResultT], *args: P.args, **kwargs: P.kwargs) -> ResultT:
        """Ask the service, in another thread, as long as the session holds.

        Raises:
            UnauthenticatedError: the session is over; the browser is sent to sign in.
            FedloomError: what the service says.
        """
        if not await asyncio.to_thread(self.desk.sessions.is_alive, self.session):
            self.leave()
            raise UnauthenticatedError("the session is over: sign in again")
        return await asyncio.to_thread(what, *args, **kwargs)

    async def act(
        self, what: Callable[P, ResultT], *args: P.args, **kwargs: P.kwargs
    ) -> ResultT | None:
        """Ask like `ask`; an error is shown to the user, and None is returned."""
        try:
            return await self.ask(what, *args, **kwargs)
        except FedloomError as error:
            notify_error(error)
            return None

    async def shared(self, key: Hashable, read: Callable[[Service, Identity], ResultT]) -> ResultT:
        """Read what all visitors may see; pages that want the same at once share one answer.

        Args:
            key: tells answers apart.
            read: asks the service, in the name of a viewer; blocks.
        """
        desk = self.desk
        return await desk.broadcaster.shared(
            key, lambda: asyncio.to_thread(read, desk.service, desk.feeds.who)
        )

    def leave(self) -> None:
        """Send the browser to sign in."""
        self.client.run_javascript(f"location.href = '{BASE}/login'")


def current_visit() -> Visit:
    """Return the visit of the page that is being built."""
    client = ui.context.client
    scope = client.request.scope
    desk: Desk = scope[DESK_KEY]
    return Visit(desk, scope[SESSION_KEY], client, desk.broadcaster.position)


def notify_error(error: Exception, *, stays: bool = False) -> None:
    """Show an error in the corner, for some seconds or until somebody closes it."""
    ui.notify(
        str(error),
        type="negative",
        position="top",
        multi_line=True,
        close_button="Close",
        timeout=0 if stays else 5000,
    )
