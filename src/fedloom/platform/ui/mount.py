"""The page on the API's own application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import nicegui
from fastapi import FastAPI, Request
from nicegui import ui
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from fedloom.platform.identity import Identity, Role
from fedloom.platform.ui.broadcast import Broadcaster
from fedloom.platform.ui.downloads import add_downloads
from fedloom.platform.ui.feed import Feeds
from fedloom.platform.ui.gate import BASE, Gate
from fedloom.platform.ui.login import add_login
from fedloom.platform.ui.pages import PAGES
from fedloom.platform.ui.sessions import Sessions
from fedloom.platform.ui.theme import asset_text
from fedloom.platform.ui.uploads import add_uploads
from fedloom.platform.ui.visit import DESK_KEY, Desk

if TYPE_CHECKING:
    from fedloom.platform.service import Service

__all__ = ["mount_page"]

_LOOKER = Identity("the page", Role.VIEWER, 0)
"""In whose name the page reads what all of its visitors may see."""
_KEEP = {"Cache-Control": "public, max-age=31536000, immutable"}
_TYPES = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}


def mount_page(app: FastAPI, service: Service, *, refreshes_unasked: bool = True) -> None:
    """Mount the web page at ``/ui`` of an application, before that is started.

    NiceGUI serves one page a process: where this is called again, the last one counts.

    Args:
        app: the API's application.
        service: what people may do.
        refreshes_unasked: whether open pages refresh now and then without an event, too; without
            that, times and what nodes say of themselves stand still between events.
    """
    desk = _make_desk(service, str(app.title or "Fedloom"), refreshes_unasked)
    add_login(app, desk.sessions, desk.title)
    add_downloads(app, service, desk.sessions)
    add_uploads(app, service, desk.sessions)
    app.add_route(f"{BASE}/assets/{{name}}", _serve_asset, ["GET"], include_in_schema=False)
    app.add_route(BASE, _to_overview, ["GET"], include_in_schema=False)
    _begin_anew()
    for path, build in PAGES.items():
        ui.page(path, response_timeout=30.0)(build)
    ui.run_with(
        app,
        mount_path=BASE,
        title=desk.title,
        dark=None,
        tailwind=False,
        show_welcome_message=False,
    )
    _put_gate(app, desk)
    _follow_events(app, desk.broadcaster)


def _make_desk(service: Service, title: str, refreshes_unasked: bool) -> Desk:
    broadcaster = Broadcaster(
        lambda after, limit: service.follow_events(_LOOKER, after, limit=limit),
        service.store.last_event_id,
    )
    feeds = Feeds(service, _LOOKER)
    broadcaster.subscribe(feeds.listen)
    return Desk(service, Sessions(service.sign_in), broadcaster, feeds, title, refreshes_unasked)


def _begin_anew() -> None:
    """Take back what an earlier page of this process put into NiceGUI's application."""
    nicegui.app.user_middleware.clear()
    nicegui.app.middleware_stack = None


def _put_gate(app: FastAPI, desk: Desk) -> None:
    """Stand before all that NiceGUI serves; outside of its middleware, for websockets too."""
    gate = Gate(nicegui.app, desk.sessions)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        scope[DESK_KEY] = desk
        await gate(scope, receive, send)

    mount = next(
        route for route in reversed(app.routes) if isinstance(route, Mount) and route.path == BASE
    )
    mount.app = guarded


def _follow_events(app: FastAPI, broadcaster: Broadcaster) -> None:
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: Any) -> AsyncIterator[Any]:
        async with inner(started) as state:
            reading = asyncio.create_task(broadcaster.run(), name="events for the page")
            try:
                yield state
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading

    app.router.lifespan_context = lifespan


async def _serve_asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES:
        return Response("there is no such file", 404, media_type="text/plain")
    return Response(asset_text(name), headers={**_KEEP, "Content-Type": _TYPES[name]})


async def _to_overview(_: Request) -> Response:
    return RedirectResponse(f"{BASE}/", 303)
