"""The app: the service over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.responses import RedirectResponse

from fedloom._version import __version__
from fedloom.platform.api.docs import add_docs, complete_openapi
from fedloom.platform.api.feed import Feed
from fedloom.platform.api.gate import BODY_LIMIT_BYTES, UPLOAD_LIMIT_BYTES, Gate
from fedloom.platform.api.measures import Measures
from fedloom.platform.api.problems import add_handlers
from fedloom.platform.api.routes import ROUTERS
from fedloom.platform.service import Service

__all__ = ["make_app"]

_DESCRIPTION = """\
Tasks, nodes, models, packages and events of a federation.

Every address works with and without a slash at its end. Times are UTC. What is refused or fails is
a problem document (RFC 9457). Press *Authorize* and give a token to try things here.
"""
_TAGS = [
    {"name": "tasks", "description": "Trainings that are asked for."},
    {"name": "progress", "description": "How far a task is, and what it left."},
    {"name": "nodes", "description": "Who holds data."},
    {"name": "models", "description": "Registered models and their versions."},
    {"name": "packages", "description": "What nodes run."},
    {"name": "events", "description": "What changes, as it changes."},
    {"name": "tokens", "description": "Who may do what."},
    {"name": "system", "description": "How the platform is."},
]
_PAGE = "/ui"


def make_app(
    service: Service,
    *,
    title: str = "Fedloom",
    page: Callable[[FastAPI, Service], None] | None = None,
    coordinator_state: Callable[[], Any] | None = None,
    body_limit_bytes: int = BODY_LIMIT_BYTES,
    upload_limit_bytes: int = UPLOAD_LIMIT_BYTES,
    heartbeat_s: float = 15.0,
) -> FastAPI:
    """Return the app; `ApiServer` serves it.

    Args:
        service: what it is about; the caller closes its store.
        title: of the OpenAPI document.
        page: adds the web page at ``/ui``.
        coordinator_state: says how the coordinator in this process is, where there is one.
        body_limit_bytes: of a body.
        upload_limit_bytes: of an uploaded package with its seed model.
        heartbeat_s: seconds between signs of life on a stream of events.
    """
    feed, measures = Feed(service, heartbeat_s=heartbeat_s), Measures()

    @asynccontextmanager
    async def live(_: FastAPI) -> AsyncIterator[None]:
        yield
        await feed.close()

    app = FastAPI(
        title=title,
        version=__version__,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=live,
    )
    app.state.service, app.state.feed, app.state.measures = service, feed, measures
    app.state.coordinator_state = coordinator_state
    app.state.home = "/docs" if page is None else f"{_PAGE}/"
    add_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.state.routes = [route for router in ROUTERS for route in router.routes]
    add_docs(app)
    complete_openapi(app)
    app.add_middleware(
        Gate,
        measures=measures,
        body_limit_bytes=body_limit_bytes,
        upload_limit_bytes=upload_limit_bytes,
    )
    if page is not None:
        _add_page(app, service, page)
    return app


def _add_page(app: FastAPI, service: Service, page: Callable[[FastAPI, Service], None]) -> None:
    @app.get(_PAGE, include_in_schema=False)
    async def open_page() -> RedirectResponse:
        return RedirectResponse(f"{_PAGE}/")

    page(app, service)
